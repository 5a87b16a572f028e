//! Where figures are kept: a file of JSON for each section, with the command and the machine that
//! made it, so that the page can be rendered from several runs. Charts lie beside them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A section's figures, and how they came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Section<T> {
    pub(crate) command: String,
    pub(crate) machine: String,
    pub(crate) figures: T,
}

/// A page, and the folder of its figures.
#[derive(Debug)]
pub(crate) struct Archive {
    page: PathBuf,
    folder: PathBuf,
}

impl Archive {
    /// `benchmarks.md` and `benchmarks/` in a folder.
    pub(crate) fn within(folder: &Path) -> Self {
        Self {
            page: folder.join("benchmarks.md"),
            folder: folder.join("benchmarks"),
        }
    }

    /// Keeps figures under a name.
    pub(crate) fn keep(&self, name: &str, figures: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(figures)?;
        text.push('\n');
        self.write(&self.file(name), &text)
    }

    /// Figures that a run kept under that name; `None` where none did.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let file = self.file(name);
        let Some(text) = self.text(&format!("{name}.json"))? else {
            return Ok(None);
        };
        let figures = serde_json::from_str(&text);
        figures.with_context(|| format!("{} can't be read: measure it again", file.display()))
    }

    /// Keeps a chart under a name.
    pub(crate) fn draw(&self, name: &str, svg: &str) -> anyhow::Result<()> {
        self.write(&self.folder.join(format!("{name}.svg")), svg)
    }

    /// A text that lies beside the figures; `None` where there is none.
    pub(crate) fn text(&self, name: &str) -> anyhow::Result<Option<String>> {
        let path = self.folder.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
        }
    }

    /// Writes the page.
    pub(crate) fn publish(&self, page: &str) -> anyhow::Result<()> {
        self.write(&self.page, page)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    fn write(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder)?;
        fs::write(path, text).with_context(|| format!("{} can't be written", path.display()))
    }
}
