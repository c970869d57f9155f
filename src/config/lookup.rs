//! Reads variables one by one and collects the problems.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::ErrorKind;
use crate::job_error::JobError;
#[cfg(feature = "mysql")]
use crate::secret::Secret;

/// A problem with one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Name of the variable.
    pub variable: &'static str,
    /// The problem, and the allowed values.
    pub message: String,
}

/// All problems of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Creates an error with one problem, found where the value of a variable is used.
    #[cfg(any(feature = "cli", feature = "lambda"))]
    pub(crate) fn of(variable: &'static str, message: String) -> Self {
        Self { problems: vec![Problem { variable, message }] }
    }

    /// Returns the problems, in the order in which the variables are read.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings in the environment:")?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {}: {}", problem.variable, problem.message))
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for JobError {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorKind::Config, error)
    }
}

/// Reads variables and records problems. A wrong variable reads as not set; `finish` reports its problem in the end.
pub(super) struct Lookup<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
    problems: Vec<Problem>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// Returns `value`, or an error if there are problems.
    pub(super) fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(value) } else { Err(ConfigError { problems: self.problems }) }
    }

    /// Returns the value, or an error if there are problems. A missing value has already been recorded as a problem.
    #[cfg(feature = "mysql")]
    pub(super) fn finish_some<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        let problems = self.problems;
        value.filter(|_| problems.is_empty()).ok_or(ConfigError { problems })
    }

    pub(super) fn has_problem(&self, variable: &str) -> bool {
        self.problems.iter().any(|problem| problem.variable == variable)
    }

    pub(super) fn problem(&mut self, variable: &'static str, message: impl Into<String>) {
        self.problems.push(Problem { variable, message: message.into() });
    }

    pub(super) fn is_set_empty(&self, variable: &str) -> bool {
        (self.lookup)(variable).is_some_and(|value| value.is_empty())
    }

    /// Reads a path, which need not be UTF-8.
    pub(super) fn path(&self, variable: &str) -> Option<PathBuf> {
        (self.lookup)(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    pub(super) fn text(&mut self, variable: &'static str) -> Option<String> {
        match self.path(variable)?.into_os_string().into_string() {
            Ok(text) => Some(text),
            Err(_) => {
                self.problem(variable, "is not UTF-8");
                None
            }
        }
    }

    /// Reads a required text.
    #[cfg(feature = "mysql")]
    pub(super) fn required(&mut self, variable: &'static str) -> Option<String> {
        let text = self.text(variable);
        if text.is_none() && !self.has_problem(variable) {
            self.problem(variable, "is missing");
        }
        text
    }

    /// Reads a required value with `parse`.
    #[cfg(feature = "mysql")]
    pub(super) fn required_with<T>(
        &mut self,
        variable: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.required(variable)?;
        self.with(variable, expected, parse)
    }

    /// Reads a secret without trimming.
    #[cfg(feature = "mysql")]
    pub(super) fn secret(&mut self, variable: &'static str) -> Option<Secret> {
        self.text(variable).map(Secret::new)
    }

    /// Reads a boolean; false if not set.
    pub(super) fn flag(&mut self, variable: &'static str) -> bool {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        self.with(variable, "true or false", parse).unwrap_or(false)
    }

    /// Reads a value with `parse`; `expected` describes the accepted texts.
    pub(super) fn with<T>(
        &mut self,
        variable: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(variable)?;
        let value = parse(text.trim());
        if value.is_none() {
            // A text that may be a URL with a login is not repeated.
            let shown = if text.contains('@') { "the value".to_owned() } else { format!("{text:?}") };
            self.problem(variable, format!("{shown} is not {expected}"));
        }
        value
    }

    /// Reads a value whose type describes its own errors.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, variable: &'static str) -> Option<T> {
        let text = self.text(variable)?;
        text.parse().map_err(|error| self.problem(variable, format!("{text:?}: {error}"))).ok()
    }

    /// Reads a folder of keys and adds a missing final `/`.
    pub(super) fn folder(&mut self, variable: &'static str) -> Option<String> {
        let expected = "a folder as in a key: without a leading /, and without empty, . or .. steps";
        self.with(variable, expected, |text| {
            let steps = text.strip_suffix('/').unwrap_or(text);
            let is_folder = steps.split('/').all(|step| !matches!(step, "" | "." | ".."));
            is_folder.then(|| format!("{steps}/"))
        })
    }

    /// Reads a comma-separated list of suffixes.
    pub(super) fn list(&mut self, variable: &'static str) -> Option<Vec<String>> {
        self.with(variable, "a comma-separated list of suffixes, such as .mp4,.mov", |text| {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            let items: Vec<_> = items.map(str::to_owned).collect();
            (!items.is_empty() && items.iter().all(|item| !item.contains('/'))).then_some(items)
        })
    }
}
