//! The functions that programs may call, by name: a list of what is let in, not of what is kept out.
//!
//! Let in is what gives the same for the same input, each time and on each machine, and touches
//! nothing outside. A function that a later jaq adds is unknown until somebody puts it on the list;
//! a test names it.

use jaq_core::load::parse::Def;
use jaq_core::native::Fun;

use crate::functions;
use crate::meter::Jq;

/// What programs may call. Names within jaq's own definitions, such as `min_by_or_empty`, are here too.
#[rustfmt::skip]
const ALLOWED: &[&str] = &[
    // Of jaq-core.
    "!empty", "all", "any", "combinations", "del", "delpaths", "empty", "error", "error_empty", "false", "first",
    "from_entries", "getpath", "isempty", "join", "key_values", "keys_unsorted", "last", "limit", "map",
    "map_values", "not", "nth", "path", "path_value", "paths", "range", "recurse", "repeat", "select", "setpath",
    "skip", "to_entries", "tostring", "true", "until", "walk", "while", "with_entries",
    // Of jaq-std: values, strings, arrays, formats.
    "@base64", "@base64d", "@html", "@htmld", "@sh", "@text", "@uri", "@urid", "abs", "add", "arrays",
    "ascii_downcase", "ascii_upcase", "booleans", "decode_base64", "decode_uri", "encode_base64", "encode_uri",
    "endswith", "escape_html", "escape_sh", "explode", "finites", "flatten", "group_by", "implode", "infinite",
    "isarray", "isboolean", "isfinite", "isinfinite", "isnan", "isnormal", "isnumber", "isobject", "isstring",
    "iterables", "keys", "ltrim", "ltrimstr", "max", "max_by", "max_by_or_empty", "min", "min_by",
    "min_by_or_empty", "nan", "normals", "null", "nulls", "numbers", "objects", "pick", "reverse", "rtrim",
    "rtrimstr", "scalars", "sort", "sort_by", "split", "startswith", "strings", "trim", "type", "unescape_html",
    "unique", "unique_by", "utf8bytelength", "values",
    // Regular expressions.
    "capture", "capture_of_match", "gsub", "match", "matches", "scan", "scan_", "split_", "split_matches",
    "splits", "sub", "test",
    // Times: all in UTC, none of them the present one.
    "fromdate", "fromdateiso8601", "gmtime", "mktime", "strftime", "strptime", "todate", "todateiso8601",
    // Numbers.
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "copysign", "cos", "cosh", "drem",
    "erf", "erfc", "exp", "exp10", "exp2", "expm1", "fabs", "fdim", "floor", "fma", "fmax", "fmin", "fmod",
    "frexp", "gamma", "hypot", "ilogb", "j0", "j1", "jn", "ldexp", "lgamma", "log", "log10", "log1p", "log2",
    "logb", "modf", "nearbyint", "nextafter", "nexttoward", "pow", "pow10", "remainder", "rint", "round", "scalb",
    "scalbln", "significand", "sin", "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc", "y0", "y1", "yn",
    // Of jaq-json; the native ones among them are our own, in `functions`.
    "@json", "bsearch", "contains", "fromjson", "has", "in", "index", "indices", "inside", "length", "rindex",
    "toboolean", "tojson", "tonumber", "totype", "transpose",
];

/// What people know from jq and may not call, with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("now", DIFFERS),
    ("localtime", DIFFERS),
    ("strflocaltime", DIFFERS),
    ("env", OUTSIDE),
    ("$ENV", OUTSIDE),
    ("input", OUTSIDE),
    ("inputs", OUTSIDE),
    ("input_filename", OUTSIDE),
    ("input_line_number", OUTSIDE),
    ("$__prog_args", OUTSIDE),
    ("debug", OUTSIDE),
    ("debug_empty", OUTSIDE),
    ("stderr", OUTSIDE),
    ("stderr_empty", OUTSIDE),
    ("repl", OUTSIDE),
    ("halt", ENDS),
    ("halt_error", ENDS),
    ("tobytes", "gives what JSON has no form for"),
];

const DIFFERS: &str = "could differ between attempts";
const OUTSIDE: &str = "reaches outside of the message";
const ENDS: &str = "would end the process";

/// Definitions of ours, before jaq's. `range` in jq gives the meter a look at each of its values:
/// the native one would fill `[range(1e12)]` without a step between. `strptime` leaves out `%Q`,
/// which reads the machine's time zone files.
const OURS: &str = r#"
    def range($from; $to; $by): range_native($from; $to; $by) | .;
    def strptime($format):
        if $format | test("%[^A-Za-z%]*Q") then error("`%Q` reads time zones of the machine and is refused")
        else strptime_native($format) end;
"#;

/// Why a name is refused, where it is.
pub(crate) fn refusal(name: &str) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(refused, _)| *refused == name)
        .map(|(_, reason)| *reason)
}

/// Whether there is a function of that name, whatever its arguments.
pub(crate) fn is_known(name: &str) -> bool {
    ALLOWED.contains(&name)
}

/// What is defined in jq itself.
pub(crate) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let ours = jaq_core::load::parse(OURS, |parser| parser.defs()).expect("our definitions parse");
    let theirs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    // `strptime` needs `test`, so ours follow; `range` is needed by jaq's, so it goes first.
    let (range, strptime): (Vec<_>, Vec<_>) = ours.into_iter().partition(|def| def.name == "range");
    range
        .into_iter()
        .chain(theirs.filter(|def| ALLOWED.contains(&def.name)))
        .chain(strptime)
}

/// What is native.
pub(crate) fn natives() -> impl Iterator<Item = Fun<Jq>> {
    let theirs = jaq_core::funs().chain(jaq_std::funs::<Jq>());
    let allowed = theirs.filter(|(name, ..)| ALLOWED.contains(name));
    allowed.map(renamed).chain(functions::natives())
}

fn renamed((name, arguments, native): Fun<Jq>) -> Fun<Jq> {
    let name = match name {
        "range" => "range_native",
        "strptime" => "strptime_native",
        other => other,
    };
    (name, arguments, native)
}

#[cfg(test)]
mod tests {
    use super::{ALLOWED, REFUSED};

    #[test]
    fn each_function_of_jaq_has_been_judged() {
        let core = jaq_core::defs()
            .chain(jaq_std::defs())
            .chain(jaq_json::defs())
            .map(|def| def.name);
        type Plain = jaq_core::data::JustLut<jaq_json::Val>;
        let natives = jaq_core::funs::<Plain>()
            .chain(jaq_std::funs())
            .chain(jaq_json::funs())
            .map(|fun| fun.0);
        for name in core.chain(natives) {
            let allowed = ALLOWED.contains(&name);
            let refused = REFUSED.iter().any(|(refused, _)| *refused == name);
            assert!(
                allowed != refused,
                "{name} is neither allowed nor refused, or both"
            );
        }
    }
}
