//! Reads each part of the settings separately, for a diagnosis: a problem in one part does not hide the other parts.

use std::ffi::OsString;

use url::Url;

use super::database::{
    BastionSettings, DatabaseSettings, HostKeyRule, read_address, read_bastion, read_bastion_address,
    read_database, read_host_key,
};
use super::lambda::{ApiSettings, LambdaConfig, read_api, read_base};
use super::lookup::Lookup;
use super::storyboard::{StoryboardSettings, read_storyboard};
use super::{
    Config, Isolation, LogFormat, LogSettings, Problem, ThumbnailSettings, read_isolation, read_key_rules,
    read_log, read_thumbnail,
};
use crate::object_name::KeyRules;

/// The parts of the settings. A part that is `None` has a problem.
#[derive(Debug)]
pub(crate) struct PartialConfig {
    /// All problems.
    pub(crate) problems: Vec<Problem>,
    /// The rules for keys; the defaults if they cannot be read.
    pub(crate) key_rules: KeyRules,
    /// The settings of thumbnails; the defaults if they cannot be read.
    pub(crate) thumbnail: ThumbnailSettings,
    /// The settings of storyboards, if any are written.
    pub(crate) storyboard: Option<StoryboardSettings>,
    /// The log settings; the defaults if they cannot be read.
    pub(crate) log: LogSettings,
    /// Where videos are decoded; the default if it cannot be read.
    pub(crate) isolation: Isolation,
    /// The local settings.
    pub(crate) local: Option<Config>,
    /// Host and port of the database, also when its login has a problem.
    pub(crate) database_address: Option<(String, u16)>,
    /// The database.
    pub(crate) database: Option<DatabaseSettings>,
    /// Host and port of the bastion, if one is set.
    pub(crate) bastion_address: Option<(String, u16)>,
    /// The rule for the bastion's host key.
    pub(crate) host_key: Option<HostKeyRule>,
    /// The bastion, if one is set.
    pub(crate) bastion: Option<BastionSettings>,
    /// Whether a bastion is set, even wrongly.
    pub(crate) names_bastion: bool,
    /// The base URL of the API, also when its token has a problem.
    pub(crate) api_base: Option<Url>,
    /// The API.
    pub(crate) api: Option<ApiSettings>,
    /// The secrets that are set: the variable, and the name or ARN in the variable.
    pub(crate) secrets: Vec<(&'static str, String)>,
    /// Variables of the replaced Lambda that are set and ignored.
    pub(crate) obsolete: Vec<&'static str>,
}

impl PartialConfig {
    /// Reads the environment of this process, like the function, or if `local`, like `process` in a folder.
    #[expect(clippy::disallowed_methods, reason = "`config` reads the environment")]
    pub(crate) fn from_env(local: bool) -> Self {
        Self::from_lookup(local, &|name| std::env::var_os(name))
    }

    pub(crate) fn from_lookup(local: bool, lookup: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let problems = match local {
            true => Config::from_lookup(lookup).err(),
            false => LambdaConfig::from_lookup(lookup).err(),
        };
        let secrets = ["DB_PASSWORD_SECRET", "INTERNAL_TOKEN_SECRET", "BASTION_SSH_KEY_SECRET"];
        let secrets = secrets.into_iter().filter_map(|variable| {
            let name = part(lookup, |lookup| lookup.text(variable))?;
            Some((variable, name))
        });
        let is_set = |name: &str| lookup(name).is_some_and(|value| !value.is_empty());
        let obsolete = ["FFMPEG_PATH", "FFPROBE_PATH"].into_iter();
        let key_rules = part(lookup, |lookup| Some(read_key_rules(lookup))).unwrap_or_default();
        Self {
            problems: problems.map(|error| error.problems().to_vec()).unwrap_or_default(),
            thumbnail: part(lookup, |lookup| Some(read_thumbnail(lookup, &key_rules))).unwrap_or_default(),
            key_rules,
            storyboard: part(lookup, |lookup| read_storyboard(lookup, "")),
            log: part(lookup, |lookup| Some(read_log(lookup, LogFormat::Text)))
                .unwrap_or(LogSettings::new(LogFormat::Text)),
            isolation: part(lookup, |lookup| Some(read_isolation(lookup))).unwrap_or_default(),
            local: part(lookup, |lookup| Some(Config::read(lookup))),
            database_address: part(lookup, read_address),
            database: part(lookup, read_database),
            bastion_address: part(lookup, read_bastion_address),
            host_key: part(lookup, read_host_key),
            bastion: part(lookup, read_bastion),
            names_bastion: is_set("BASTION_HOST"),
            api_base: part(lookup, read_base),
            api: part(lookup, read_api),
            secrets: secrets.collect(),
            obsolete: obsolete.filter(|name| is_set(name)).collect(),
        }
    }
}

/// Reads one part; `None` if the part has a problem.
fn part<T>(
    lookup: &dyn Fn(&str) -> Option<OsString>,
    read: impl FnOnce(&mut Lookup<'_>) -> Option<T>,
) -> Option<T> {
    let mut lookup = Lookup::new(lookup);
    let value = read(&mut lookup);
    lookup.finish_some(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> PartialConfig {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        PartialConfig::from_lookup(false, &|name| find(name).map(|(_, value)| value.into()))
    }

    #[test]
    fn a_wrong_part_does_not_hide_other_parts() {
        let settings = read(&[
            ("DB_HOST", "db.test"),
            ("DB_USER", "films"),
            ("DB_NAME", "ott"),
            ("THUMBNAIL_AT", "soon"),
            ("CATALOG_API_BASE", "https://api.test/api"),
            ("BASTION_HOST", "bastion.test"),
            ("BASTION_SSH_KEY_SECRET", "key"),
            ("FFMPEG_PATH", "/usr/local/bin/ffmpeg"),
            ("STORYBOARD_KEY", "storyboards/{dir}{name}"),
        ]);
        let wrong: Vec<_> = settings.problems.iter().map(|problem| problem.variable).collect();
        assert_eq!(wrong, ["DB_PASSWORD", "BASTION_HOST_KEY", "INTERNAL_TOKEN", "THUMBNAIL_AT"]);
        assert_eq!(settings.database_address, Some(("db.test".to_owned(), 3306)));
        assert_eq!(settings.bastion_address, Some(("bastion.test".to_owned(), 22)));
        assert!(settings.database.is_none() && settings.bastion.is_none() && settings.api.is_none());
        assert_eq!(settings.api_base.as_ref().map(Url::as_str), Some("https://api.test/api"));
        assert_eq!(settings.secrets, [("BASTION_SSH_KEY_SECRET", "key".to_owned())]);
        assert_eq!(settings.obsolete, ["FFMPEG_PATH"]);
        let folder = settings.storyboard.map(|storyboard| storyboard.folder.to_string());
        assert_eq!(folder.as_deref(), Some("storyboards/{dir}{name}/"));
        assert_eq!(read(&[("STORYBOARD_KEY", "storyboards/{ext}")]).storyboard, None);
    }

    /// If the settings of the bastion are wrong, the database must not be reached without the bastion.
    #[test]
    fn a_database_behind_a_wrong_bastion_is_not_read() {
        let settings = read(&[
            ("DB_HOST", "db.test"),
            ("DB_USER", "films"),
            ("DB_NAME", "ott"),
            ("DB_PASSWORD", "x"),
            ("BASTION_HOST", "bastion.test"),
        ]);
        assert!(settings.database.is_none());
    }
}
