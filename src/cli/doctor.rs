//! `posterframe doctor`: checks everything that the job needs, and advises how to fix the failing checks.
//!
//! A check has a stable name, a description of what it found, and advice. Independent checks run concurrently, each with its own time
//! limit. Checks without credentials or secrets run first, then the checks of AWS, then the checks that need secrets. If a check fails,
//! the checks that depend on it are skipped. Nothing is changed, except that `--write` writes a small object into each folder. `check` is the type of a
//! check, `bucket` contains the checks of AWS, and `network` the checks of names and ports. `database`, `api` and `local` contain the rest.

mod api;
mod bucket;
mod check;
mod database;
mod local;
mod network;

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use self::check::{Check, Checks, Finding, Status, skipped};
use self::database::Access;
use super::arguments::{Bucket, DoctorArguments};
use super::catalogue::CatalogueKind;
use super::interrupt::interrupted;
use super::output::{self, Failure, LABEL, printable};
use crate::cage::MediaOpener;
use crate::catalog::Tunnel;
use crate::config::{Isolation, Login, PartialConfig, Problem};
use crate::job_error::JobError;
use crate::logging::{self, Stream};
use crate::secret::SecretStore;
use crate::source::S3Source;
use crate::store::S3Store;
use crate::{CancelToken, ErrorKind, aws};

/// All checks, in the order in which they are reported. `docs/troubleshooting.md` describes them.
const NAMES: [&str; 39] = [
    "configuration",
    "obsolete_variables",
    "libav",
    "isolation",
    "aws_region",
    "aws_credentials",
    "bucket_read",
    "bucket_write",
    "object_name",
    "object_tags",
    "video",
    "secret_db_password",
    "secret_internal_token",
    "secret_bastion_key",
    "bastion_resolve",
    "bastion_reach",
    "bastion_host_key",
    "bastion_login",
    "database_resolve",
    "database_reach",
    "database_tls",
    "database_login",
    "database_exists",
    "database_version",
    "database_sql_mode",
    "database_tables",
    "database_columns",
    "database_ids",
    "database_privileges",
    "store_read",
    "store_write",
    "catalog_file",
    "catalog_tables",
    "unique_key",
    "duplicate_rows",
    "rows_without_content",
    "api_resolve",
    "api_reach",
    "api_token",
];

/// The variables that contain names of secrets, and the checks of these secrets.
const SECRETS: [(&str, &str); 3] = [
    ("DB_PASSWORD_SECRET", "secret_db_password"),
    ("INTERNAL_TOKEN_SECRET", "secret_internal_token"),
    ("BASTION_SSH_KEY_SECRET", "secret_bastion_key"),
];

/// The JSON that `doctor --json` prints.
#[derive(Serialize)]
struct Report {
    checks: Vec<Check>,
    failed: usize,
    warnings: usize,
}

pub(super) async fn run(arguments: &DoctorArguments, cancel: CancelToken) -> Result<(), Failure> {
    let settings = PartialConfig::from_env(arguments.catalog == CatalogueKind::Sqlite);
    logging::start(&settings.log, Stream::Error)?;
    let checks = tokio::select! {
        checks = examine(arguments, &settings) => checks,
        error = interrupted(&cancel) => return Err(error.into()),
    };
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let (failed, warnings) = (count(Status::Failed), count(Status::Warning));
    let first = checks.iter().find_map(|check| check.kind);
    let report = Report { checks, failed, warnings };
    match arguments.json {
        true => output::print_json(&report)?,
        false => output::print(&shown(&report))?,
    }
    let Some(kind) = first else { return Ok(()) };
    let (checks, of) = (if failed == 1 { "check" } else { "checks" }, report.checks.len());
    Err(Failure::Answered(JobError::new(kind, format!("{failed} {checks} of {of} failed"))))
}

async fn examine(arguments: &DoctorArguments, settings: &PartialConfig) -> Vec<Check> {
    let mut checks = Checks::new(arguments.timeout, arguments.deep);
    checks.note("configuration", configuration(&settings.problems));
    checks.note("obsolete_variables", obsolete(&settings.obsolete));
    checks.note("libav", libav());
    checks.note("isolation", isolation(settings.isolation));
    let bucket = arguments.bucket();
    match arguments.catalog {
        CatalogueKind::Mysql => {
            let cloud = Cloud::new().await;
            let ways = async {
                tokio::join!(
                    bastion_way(&checks, settings),
                    database_way(&checks, settings),
                    api_way(&checks, settings)
                )
            };
            let (credentials, (bastion, database, api)) = tokio::join!(cloud.check(&checks), ways);
            checks.add(credentials.into_iter().chain(bastion).chain(database).chain(api));
            let (in_bucket, secrets) = tokio::join!(
                cloud.bucket(&checks, settings, bucket, arguments.write),
                cloud.secrets(&checks, settings)
            );
            checks.add(in_bucket.into_iter().chain(secrets));
            let (database, token) = tokio::join!(
                database_checks(&checks, settings, &cloud),
                api_token(&checks, settings, &cloud)
            );
            checks.add(database.into_iter().chain([token]));
        }
        CatalogueKind::Sqlite => {
            if bucket.is_some() {
                let cloud = Cloud::new().await;
                let made = cloud.check(&checks).await;
                checks.add(made);
                let made = cloud.bucket(&checks, settings, bucket, arguments.write).await;
                checks.add(made);
            }
            let made = in_folder(&checks, settings).await;
            checks.add(made);
        }
    }
    checks.in_order(&NAMES)
}

/// Settings and secret store of AWS.
struct Cloud {
    settings: aws::Settings,
    secrets: SecretStore,
}

impl Cloud {
    async fn new() -> Self {
        let settings = aws::settings().await;
        Self { secrets: SecretStore::new(&settings), settings }
    }

    async fn check(&self, checks: &Checks) -> Vec<Check> {
        let region = checks.of("aws_region", async { bucket::region(&self.settings) }).await;
        vec![region, checks.of("aws_credentials", bucket::credentials(&self.settings)).await]
    }

    async fn bucket(
        &self,
        checks: &Checks,
        settings: &PartialConfig,
        bucket: Option<&Bucket>,
        write: bool,
    ) -> Vec<Check> {
        const NAMES: [&str; 5] = ["bucket_read", "bucket_write", "object_name", "object_tags", "video"];
        let Some(Bucket { name, key }) = bucket else {
            return NAMES
                .map(|name| {
                    skipped(name, "no bucket is given: doctor s3://BUCKET, or s3://BUCKET/KEY of a video")
                })
                .into();
        };
        let rules = &settings.key_rules;
        let no_key = "no key is given: doctor s3://BUCKET/KEY of a video";
        let named = match key {
            Some(key) => checks.of("object_name", async { bucket::name(rules, key) }).await,
            None => skipped("object_name", no_key),
        };
        let client = S3Source::client(&self.settings);
        let store = match (checks.in_the_way(&["aws_region", "aws_credentials"]), client) {
            (None, Ok(client)) => S3Store::new(client, name),
            (reason, client) => {
                let read = match (reason, client) {
                    (None, Err(error)) => checks.of("bucket_read", async { bucket::no_client(&error) }).await,
                    (reason, _) => skipped("bucket_read", reason.unwrap_or_default()),
                };
                let reason = match read.status {
                    Status::Skipped => read.seen.clone(),
                    _ => "bucket_read failed".to_owned(),
                };
                let others =
                    ["bucket_write", "object_tags", "video"].map(|name| skipped(name, reason.clone()));
                return [read].into_iter().chain(others).chain([named]).collect();
            }
        };
        let why_not = (!write).then(|| "--write runs this check: it writes objects that stay".to_owned());
        let read_and_look = async {
            let read = checks.of("bucket_read", bucket::read(&store, rules, key.as_deref())).await;
            let video = match key {
                Some(key) => {
                    checks
                        .after(&read, "video", bucket::video(store.source(key), settings, checks.time))
                        .await
                }
                None => skipped("video", no_key),
            };
            let tags = match key {
                _ if !settings.thumbnail.poster_at_tag => skipped("object_tags", "POSTER_AT_TAG is not set"),
                Some(key) => checks.after(&read, "object_tags", bucket::tags(&store, key)).await,
                None => skipped("object_tags", no_key),
            };
            [read, video, tags]
        };
        let write = checks.unless(why_not, "bucket_write", bucket::write(&store, settings));
        let (read, write) = tokio::join!(read_and_look, write);
        read.into_iter().chain([write, named]).collect()
    }

    async fn secrets(&self, checks: &Checks, settings: &PartialConfig) -> Vec<Check> {
        let one = async |variable: &'static str, name: &'static str| {
            let Some(secret) = secret_in(settings, variable) else {
                return skipped(name, format!("{variable} is not set"));
            };
            let reason = checks.in_the_way(&["aws_region", "aws_credentials"]);
            checks.unless(reason, name, bucket::secret(&self.secrets, variable, secret)).await
        };
        let [password, token, key] = SECRETS;
        let (password, token, key) =
            tokio::join!(one(password.0, password.1), one(token.0, token.1), one(key.0, key.1));
        vec![password, token, key]
    }
}

fn secret_in<'s>(settings: &'s PartialConfig, variable: &str) -> Option<&'s str> {
    settings.secrets.iter().find(|(known, _)| *known == variable).map(|(_, name)| name.as_str())
}

/// Returns the first failing or skipped check among `earlier` and the check of the secret that `variable` names, as the reason to skip.
fn in_the_way(checks: &Checks, settings: &PartialConfig, earlier: &[&str], variable: &str) -> Option<String> {
    let secret = SECRETS.iter().find(|(known, _)| *known == variable).map(|(_, name)| *name);
    let secret = secret.filter(|_| secret_in(settings, variable).is_some());
    checks.in_the_way(earlier).or_else(|| checks.in_the_way(secret.as_slice()))
}

/// Returns the reason why a variable has no value.
fn unset(settings: &PartialConfig, variables: &[&str]) -> String {
    match settings.problems.iter().any(|problem| variables.contains(&problem.variable)) {
        true => "configuration failed".to_owned(),
        false => format!("{} is not set", variables[0]),
    }
}

async fn bastion_way(checks: &Checks, settings: &PartialConfig) -> Vec<Check> {
    let Some((host, port)) = &settings.bastion_address else {
        let reason = unset(settings, &["BASTION_HOST", "BASTION_PORT"]);
        return ["bastion_resolve", "bastion_reach", "bastion_host_key"]
            .map(|name| skipped(name, reason.clone()))
            .into();
    };
    let resolve = checks.of("bastion_resolve", network::resolve(host, *port, "BASTION_HOST")).await;
    let connecting = async {
        match network::connect(host, *port).await {
            Ok((_, seen)) => Finding::ok(seen),
            Err(seen) => {
                let advice =
                    "check BASTION_HOST and BASTION_PORT, and the bastion's security group (SSH from here)";
                Finding::failed(ErrorKind::Unavailable, seen, advice)
            }
        }
    };
    let reach = checks.after(&resolve, "bastion_reach", connecting).await;
    let shown = database::host_key(host, *port, settings.host_key.as_ref());
    let host_key = checks.after(&reach, "bastion_host_key", shown).await;
    vec![resolve, reach, host_key]
}

/// Checks the connection to the database, unless the connection leads through a bastion.
async fn database_way(checks: &Checks, settings: &PartialConfig) -> Vec<Check> {
    let Some((host, port)) = &settings.database_address else {
        let reason = "configuration failed";
        return vec![skipped("database_resolve", reason), skipped("database_reach", reason)];
    };
    if settings.names_bastion {
        return vec![skipped("database_resolve", "the bastion looks its name up")];
    }
    let resolve =
        checks.of("database_resolve", network::resolve(host, *port, "DB_HOST and PROXY_ENDPOINT")).await;
    let reach = checks.after(&resolve, "database_reach", database::reach(host, *port, None)).await;
    vec![resolve, reach]
}

async fn api_way(checks: &Checks, settings: &PartialConfig) -> Vec<Check> {
    let Some(base) = &settings.api_base else {
        return vec![
            skipped("api_resolve", "configuration failed"),
            skipped("api_reach", "configuration failed"),
        ];
    };
    let (host, port) = api::address(base);
    let resolve = checks.of("api_resolve", network::resolve(&host, port, "CATALOG_API_BASE")).await;
    let reach = checks.after(&resolve, "api_reach", api::reach(base)).await;
    vec![resolve, reach]
}

/// Checks the login to the bastion, if there is one, and the contents of the database.
async fn database_checks(checks: &Checks, settings: &PartialConfig, cloud: &Cloud) -> Vec<Check> {
    let mut made = Vec::new();
    let mut reason = checks.in_the_way(&["database_reach"]);
    if settings.names_bastion {
        let (login, tunnel) = bastion_login(checks, settings, cloud).await;
        if let Some((host, port)) = &settings.database_address {
            let reach = database::reach(host, *port, tunnel.as_ref());
            let reach = checks.after(&login, "database_reach", reach).await;
            reason = reach.in_the_way();
            made.push(reach);
        }
        made.push(login);
    } else {
        made.push(skipped("bastion_login", unset(settings, &["BASTION_HOST", "BASTION_PORT"])));
    }
    let Some(database) = &settings.database else {
        let reason = reason.unwrap_or_else(|| "configuration failed".to_owned());
        made.extend(database::with_the_rest(Vec::new(), &reason));
        return made;
    };
    let earlier: &[_] = match &database.login {
        Login::Iam => &["aws_region", "aws_credentials"],
        _ => &[],
    };
    match reason.or_else(|| in_the_way(checks, settings, earlier, "DB_PASSWORD_SECRET")) {
        Some(reason) => made.extend(database::with_the_rest(Vec::new(), &reason)),
        None => {
            let access = Access { settings: database, secrets: &cloud.secrets, aws: &cloud.settings };
            made.extend(database::look(checks, &access).await);
        }
    }
    made
}

async fn bastion_login(checks: &Checks, settings: &PartialConfig, cloud: &Cloud) -> (Check, Option<Tunnel>) {
    let mut tunnel = None;
    let reason = in_the_way(checks, settings, &["bastion_host_key"], "BASTION_SSH_KEY_SECRET");
    let reason = reason.or_else(|| settings.bastion.is_none().then(|| "configuration failed".to_owned()));
    let work = async {
        let Some(bastion) = &settings.bastion else { return Finding::skipped("configuration failed") };
        let login = database::bastion_login(bastion, settings.database_address.as_ref(), &cloud.secrets);
        let (finding, opened) = login.await;
        tunnel = opened;
        finding
    };
    let check = checks.unless(reason, "bastion_login", work).await;
    (check, tunnel)
}

async fn api_token(checks: &Checks, settings: &PartialConfig, cloud: &Cloud) -> Check {
    let Some(api) = &settings.api else { return skipped("api_token", "configuration failed") };
    let reason = in_the_way(checks, settings, &["api_reach"], "INTERNAL_TOKEN_SECRET");
    checks.unless(reason, "api_token", api::token(api, &cloud.secrets)).await
}

async fn in_folder(checks: &Checks, settings: &PartialConfig) -> Vec<Check> {
    let Some(config) = &settings.local else {
        let names = [
            "store_read",
            "store_write",
            "catalog_file",
            "catalog_tables",
            "duplicate_rows",
            "rows_without_content",
        ];
        return names.map(|name| skipped(name, "configuration failed")).into();
    };
    let read = checks.of("store_read", async { local::store_read(&config.store_dir) }).await;
    let write = checks.after(&read, "store_write", async { local::store_write(&config.store_dir) }).await;
    let mut made = vec![read, write];
    made.extend(local::catalogue(checks, config).await);
    made
}

fn configuration(problems: &[Problem]) -> Finding {
    let words = problems.iter().map(|problem| format!("{}: {}", problem.variable, problem.message));
    match problems.is_empty() {
        true => Finding::ok("all required variables are set and valid"),
        false => Finding::failed(
            ErrorKind::Config,
            words.collect::<Vec<_>>().join("; "),
            "set these environment variables of the function (Configuration, Environment variables) or of this shell",
        ),
    }
}

fn obsolete(variables: &[&str]) -> Finding {
    match variables.is_empty() {
        true => Finding::ok("none is set"),
        false => Finding::ok(format!(
            "{}: no longer needed, because no program is started; can be removed",
            variables.join(", ")
        )),
    }
}

/// Reports whether videos are decoded in a cage, and the layers of a cage on this machine.
fn isolation(setting: Isolation) -> Finding {
    let layers = MediaOpener::new(true).map(|opener| opener.layers().unwrap_or_default());
    match (setting, layers) {
        (Isolation::None, Ok(layers)) => {
            Finding::ok(format!("ISOLATE is none; a cage would have {}", output::layers(layers)))
        }
        (Isolation::None, Err(error)) => {
            Finding::ok(format!("ISOLATE is none; there could be no cage: {error}"))
        }
        (Isolation::Process, Ok(layers)) if layers.named().iter().all(|(_, is_active)| *is_active) => {
            Finding::ok(format!("a cage with {}", output::layers(layers)))
        }
        (Isolation::Process, Ok(layers)) => Finding::warning(
            format!("a cage with {}", output::layers(layers)),
            "docs/security.md describes the remaining risk without a layer; a newer kernel, or a container that permits them, has all layers",
        ),
        (Isolation::Process, Err(error)) => {
            Finding::error(JobError::from(error), "ISOLATE=none decodes without a cage")
        }
    }
}

fn libav() -> Finding {
    Finding::ok(concat!(
        "FFmpeg ",
        env!("POSTERFRAME_FFMPEG_VERSION"),
        " is linked with this program: neither ffmpeg nor ffprobe is started"
    ))
}

fn shown(report: &Report) -> String {
    let good = AnsiColor::Green.on_default();
    let warning = AnsiColor::Yellow.on_default();
    let bad = AnsiColor::Red.on_default().bold();
    let width = NAMES.iter().map(|name| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for check in &report.checks {
        let style: Style = match check.status {
            Status::Ok => good,
            Status::Warning => warning,
            Status::Failed => bad,
            Status::Skipped => LABEL,
        };
        let (word, name, seen) = (check.status.word(), check.name, printable(&check.seen));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{style}{word:7}{style:#}  {name:width$}  {seen}");
        if let Some(advice) = &check.advice {
            let _ = writeln!(text, "{:7}  {:width$}  {LABEL}->{LABEL:#} {}", "", "", printable(advice));
        }
    }
    let of = report.checks.len();
    let skipped = report.checks.iter().filter(|check| check.status == Status::Skipped).count();
    let (failed, warnings) = (report.failed, report.warnings);
    let _ = writeln!(text, "\n{of} checks: {failed} failed, {warnings} with a warning, {skipped} skipped");
    text
}
