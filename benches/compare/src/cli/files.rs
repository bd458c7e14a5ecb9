//! The files that a comparison writes.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use crate::Result;
use crate::report::places::Places;
use crate::report::{Report, html, markdown};

/// Where they go, each if it was asked for.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Every sample.
    pub(super) json: Option<PathBuf>,
    /// The page with charts.
    pub(super) html: Option<PathBuf>,
    /// The page of the documentation, which names the other two.
    pub(super) markdown: Option<PathBuf>,
}

impl Files {
    /// Opens them all: what cannot be written is better known before than after half an hour.
    ///
    /// # Errors
    /// Which cannot be.
    pub(super) fn check(&self) -> Result<()> {
        for path in [&self.json, &self.html, &self.markdown]
            .into_iter()
            .flatten()
        {
            let opened = OpenOptions::new().append(true).create(true).open(path);
            opened.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// Writes what there is so far, but for pipes and terminals, which take it all once.
    ///
    /// # Errors
    /// What the system reports.
    pub(super) fn keep(&self, report: &Report) -> Result<()> {
        self.write_where(report, Path::is_file)
    }

    /// Writes the end of it to those that [`Files::keep`] has left out.
    ///
    /// # Errors
    /// What the system reports.
    pub(super) fn finish(&self, report: &Report) -> Result<()> {
        self.write_where(report, |path| !path.is_file())
    }

    fn write_where(&self, report: &Report, fits: impl Fn(&Path) -> bool) -> Result<()> {
        let places = Places::here()?;
        let write = |path: &Path, text: &str| fs::write(path, places.hide(text));
        if let Some(path) = self.json.as_deref().filter(|path| fits(path)) {
            write(path, &report.json()?)?;
        }
        if let Some(path) = self.html.as_deref().filter(|path| fits(path)) {
            write(path, &html::page(report))?;
        }
        if let Some(path) = self.markdown.as_deref().filter(|path| fits(path)) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            write(path, &markdown::page(report, &name))?;
        }
        Ok(())
    }
}
