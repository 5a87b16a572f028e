//! The machine that was measured on, as far as a reader has to know it.

use std::fs;
use std::path::Path;

/// Processor, memory, kernel, and the file system that holds `folder`.
pub(crate) fn describe(folder: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpuinfo = read("/proc/cpuinfo");
    let model = value(&cpuinfo, "model name").unwrap_or("unknown");
    let meminfo = read("/proc/meminfo");
    let memory = value(&meminfo, "MemTotal").unwrap_or("unknown");
    let kernel = read("/proc/sys/kernel/osrelease");
    // What a distribution or a host adds to the version tells a reader nothing.
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let mounts = read("/proc/self/mounts");
    let file_system = file_system(&mounts, folder).unwrap_or("unknown");
    format!("{cores} cores ({model}), {memory} of memory, Linux {kernel}, {file_system}")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start().strip_prefix(':')?.trim())
}

/// The type of the file system that is mounted nearest above a folder.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounted.filter(|(at, _)| folder.starts_with(at));
    Some(above.max_by_key(|(at, _)| at.len())?.1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::file_system;

    #[test]
    fn the_nearest_mount_holds_a_folder() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/b /run/data xfs rw 0 0\n";
        let of = |folder: &str| file_system(mounts, Path::new(folder));
        assert_eq!(of("/run/data/fanway"), Some("xfs"));
        assert_eq!(of("/run/database"), Some("tmpfs"));
        assert_eq!(of("/home"), Some("ext4"));
    }
}
