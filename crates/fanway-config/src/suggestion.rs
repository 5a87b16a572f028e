//! What was probably meant by a word that isn't known.

/// Of the known words the one that is nearest, or `None` where none is near enough.
///
/// Near enough is a third of the letters, or half of them where both begin alike.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let distances = known
        .into_iter()
        .map(|other| (distance(word, other), other));
    let near = distances.filter(|(distance, other)| {
        let longest = word.chars().count().max(other.chars().count());
        let share = if word.chars().next() == other.chars().next() {
            2
        } else {
            3
        };
        distance * share <= longest
    });
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// `, did you mean "…"?`, or nothing.
pub(crate) fn did_you_mean<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> String {
    nearest(word, known)
        .map(|near| format!(", did you mean \"{near}\"?"))
        .unwrap_or_default()
}

/// How many letters must be changed, added, left out or swapped with their neighbour to make one
/// word of the other (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = usize::from(one[i - 1] != other[j - 1]);
                let swapped =
                    i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
                let swap = if swapped {
                    rows[i - 2][j - 2] + 1
                } else {
                    usize::MAX
                };
                (rows[i - 1][j - 1] + changed)
                    .min(rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
                    .min(swap)
            };
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const KEYS: [&str; 5] = ["retry", "timeout", "url", "concurrency", "credentials"];

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, KEYS), expected, "{word}");
    }

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        check("retires", Some("retry"));
        check("timeuot", Some("timeout"));
        check("ulr", Some("url"));
        check("concurency", Some("concurrency"));
        check("xcredentials", Some("credentials"));
        check("password", None);
        check("u", None);
        check("", None);
    }
}
