//! Tests `posterframe doctor` with the function's servers: each check succeeds once and fails once. The
//! output never contains a secret, and `doctor` changes nothing.

#[path = "common/catalogue_api.rs"]
mod catalogue_api;
mod common;
#[path = "common/ports.rs"]
mod ports;
#[path = "common/programs.rs"]
mod programs;
#[path = "common/servers.rs"]
mod servers;
#[path = "common/sshd.rs"]
mod sshd;
#[path = "common/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use catalogue_api::CatalogueServer;
use ports::free_port;
use programs::database::{DATABASE, Database, Kind, PASSWORD, USER, optional_migration};
use programs::moto::Moto;
use programs::{Outcome, in_repository};
use serde_json::{Value, json};
use servers::Fault;
use servers::s3_server::{BUCKET, S3Server, SECRET_KEY};
use world::{TOKEN, World, film, run};

const VIDEO: &str = "s3://films/videos/1_test_video.mp4";

type Settings = BTreeMap<&'static str, String>;

/// The output of `doctor --json`.
struct Told {
    code: Option<i32>,
    report: Value,
}

impl Told {
    fn check(&self, name: &str) -> Outcome<&Value> {
        let checks = self.report["checks"].as_array().ok_or("no checks")?;
        Ok(checks.iter().find(|check| check["name"] == name).ok_or_else(|| format!("no check {name}"))?)
    }

    fn names(&self, status: &str) -> Vec<&str> {
        let checks = self.report["checks"].as_array().into_iter().flatten();
        checks.filter(|check| check["status"] == status).filter_map(|check| check["name"].as_str()).collect()
    }

    /// Asserts that a check has this status, and that its text contains these words.
    fn says(&self, name: &str, status: &str, words: &[&str]) -> Outcome {
        let check = self.check(name)?;
        let text = format!("{} {}", check["seen"], check["advice"]);
        let all = words.iter().all(|word| text.contains(word));
        match check["status"] == status && all {
            true => Ok(()),
            false => Err(format!("{name} is not {status} with {words:?}: {check}\n{}", self.report).into()),
        }
    }

    /// Asserts the same of the only failing check, whose kind sets the exit code.
    fn fails(&self, name: &str, kind: &str, words: &[&str]) -> Outcome {
        self.says(name, "failed", words)?;
        assert_eq!(self.check(name)?["kind"], kind, "{}", self.report);
        assert_eq!(self.names("failed"), [name], "{}", self.report);
        assert_eq!(self.report["failed"], 1);
        let code = match kind {
            "config" => 2,
            "not_found" => 3,
            "denied" => 4,
            "malformed" => 6,
            "timeout" => 8,
            "unavailable" => 9,
            _ => return Err(kind.into()),
        };
        assert_eq!(self.code, Some(code), "{}", self.report);
        Ok(())
    }
}

/// Runs `doctor`. An empty value means that the variable is not set. Asserts that the output contains no secret.
fn doctor(settings: &Settings, changes: &[(&'static str, &str)], arguments: &[&str]) -> Outcome<Told> {
    doctor_by(Command::new(env!("CARGO_BIN_EXE_posterframe")), settings, changes, arguments)
}

/// The program with only these host names: a mount namespace replaces its `/etc/hosts`.
fn with_hosts(hosts: &Path) -> Outcome<Command> {
    const BECOME: &str = "mount --make-rprivate / && mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let mut command = Command::new("/usr/bin/unshare");
    if Command::new("id").arg("-u").output()?.stdout != b"0\n" {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "/bin/sh", "-c", BECOME]).arg(hosts).arg(env!("CARGO_BIN_EXE_posterframe"));
    Ok(command)
}

fn doctor_by(
    mut command: Command,
    settings: &Settings,
    changes: &[(&'static str, &str)],
    arguments: &[&str],
) -> Outcome<Told> {
    let mut all = settings.clone();
    all.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
    command.env_clear().envs(&all).arg("doctor").args(arguments).stdin(Stdio::null());
    let people = command.output()?;
    let programs = command.arg("--json").output()?;
    for output in [&people, &programs] {
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let keys = [all.get("AWS_SECRET_ACCESS_KEY").map_or("", String::as_str), SECRET_KEY];
        let secrets = ["canary", TOKEN, PASSWORD, "PRIVATE KEY"].into_iter().chain(keys);
        for secret in secrets.filter(|secret| !secret.is_empty()) {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    assert_eq!(people.status.code(), programs.status.code(), "{people:?}");
    let report: Value = serde_json::from_slice(&programs.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&programs.stderr)))?;
    // The output for people reports the same, in one line for each check.
    let text = String::from_utf8(people.stdout)?;
    for check in report["checks"].as_array().into_iter().flatten() {
        let (name, status) =
            (check["name"].as_str().unwrap_or_default(), check["status"].as_str().unwrap_or_default());
        let is_its = |line: &str| line.split_whitespace().take(2).eq([status, name]);
        assert!(text.lines().any(is_its), "{status} {name} is not in\n{text}");
        // Each failure and each warning comes with advice.
        let advice = check["advice"].as_str().is_some_and(|advice| !advice.is_empty());
        assert_eq!(advice, matches!(status, "failed" | "warning"), "{check}");
    }
    Ok(Told { code: programs.status.code(), report })
}

fn of(world: &World) -> Settings {
    world.settings().into_iter().collect()
}

/// A world whose API checks the token before the body.
async fn strict_world() -> Outcome<World> {
    let World { s3, database, api } = World::new().await?;
    Ok(World { s3, database, api: api.with_token_first()? })
}

#[test]
fn where_all_is_well_every_check_says_so_and_nothing_is_changed() -> Outcome {
    run(async {
        let world = strict_world().await?;
        world.s3.put("videos/1_test_video.mp4", &film()?)?;
        world.database.fill(3).await?;
        let contents = "SELECT CAST(SHA2(GROUP_CONCAT(id, title, description, updated_at ORDER BY id), 256) AS CHAR) FROM contents";
        let before = (world.rows().await?, text_of(&world, contents).await?);
        // The first run writes. Each call of the function `doctor` runs the program twice.
        for _ in 0..2 {
            let told = doctor(&of(&world), &[], &[VIDEO, "--write"])?;
            assert_eq!((told.code, &told.report["failed"]), (Some(0), &json!(0)), "{}", told.report);
            assert!(told.names("warning").is_empty(), "{}", told.report);
            let unused = [
                "object_tags",
                "secret_db_password",
                "secret_internal_token",
                "secret_bastion_key",
                "bastion_resolve",
                "bastion_reach",
                "bastion_host_key",
                "bastion_login",
            ];
            assert_eq!(told.names("skipped"), unused, "{}", told.report);
            told.says("bucket_write", "ok", &["is there from an earlier check", "s3:PutObject"])?;
            told.says("obsolete_variables", "ok", &["FFMPEG_PATH", "no longer needed"])?;
            told.says("video", "ok", &["a picture of"])?;
            told.says("object_name", "ok", &["content 1", "Test Video"])?;
            told.says("database_tls", "ok", &["TLSv1", "certificate trusted"])?;
            told.says("unique_key", "ok", &["there is no unique key"])?;
            told.says("duplicate_rows", "ok", &["none among 3 rows"])?;
            told.says("api_token", "ok", &["the token is accepted"])?;
        }
        assert_eq!((world.rows().await?, text_of(&world, contents).await?), before);
        let probe = world.thumbnail("thumbnails/.posterframe-doctor");
        assert!(fs::read_to_string(probe)?.contains("may be deleted"));
        // No request to the API could create a content.
        for call in world.api.calls()? {
            let is_harmless =
                call.method == "HEAD" || (call.method == "PUT" && call.body == "[]" && call.status >= 400);
            assert!(is_harmless && call.path == "/api/v1/contents/0/upsert-internal", "{call:?}");
        }
        // Without `--write`, `doctor` writes nothing. Without a key, it reads no video.
        let told = doctor(&of(&world), &[], &["--bucket", BUCKET])?;
        told.says("bucket_write", "skipped", &["--write"])?;
        told.says("bucket_read", "ok", &["s3:ListBucket"])?;
        told.says("video", "skipped", &["no key"])?;
        let told = doctor(&of(&world), &[], &[])?;
        told.says("bucket_read", "skipped", &["no bucket is given"])?;
        assert_eq!(told.code, Some(0));
        Ok(())
    })
}

async fn text_of(world: &World, select: &str) -> Outcome<String> {
    use sqlx::Row as _;
    let rows = world.database.rows(select).await?;
    Ok(rows.first().ok_or("no row")?.try_get(0)?)
}

#[test]
fn wrong_settings_are_named_at_once_and_the_rest_is_checked() -> Outcome {
    run(async {
        let world = strict_world().await?;
        let changes =
            [("DB_PASSWORD", ""), ("THUMBNAIL_AT", "soon"), ("LOG_FORMAT", "prose"), ("INTERNAL_TOKEN", "")];
        let told = doctor(&of(&world), &changes, &[])?;
        told.fails(
            "configuration",
            "config",
            &["DB_PASSWORD: is missing", "THUMBNAIL_AT", "LOG_FORMAT", "INTERNAL_TOKEN"],
        )?;
        for name in ["database_reach", "api_reach", "aws_credentials"] {
            told.says(name, "ok", &[])?;
        }
        for name in ["database_login", "api_token"] {
            told.says(name, "skipped", &["configuration failed"])?;
        }
        // A URL that contains a login is not printed.
        let told = doctor(&of(&world), &[("DB_HOST", "mysql://films:canary@db.test")], &[])?;
        told.fails("configuration", "config", &["DB_HOST"])?;
        Ok(())
    })
}

#[test]
fn each_step_to_the_database_fails_by_itself() -> Outcome {
    run(async {
        let mut world = strict_world().await?;
        let own = of(&world);
        let told = doctor(&own, &[("DB_PASSWORD", "canary wrong")], &[])?;
        told.fails("database_login", "denied", &["Access denied", "DB_PASSWORD"])?;
        told.says("database_tls", "ok", &[])?;
        told.says("database_tables", "skipped", &["database_login failed"])?;

        let told = doctor(&own, &[("DB_SSL_CA", "")], &[])?;
        told.fails("database_tls", "config", &["DB_SSL_CA"])?;
        told.says("database_reach", "ok", &[])?;
        let told = doctor(&own, &[("DB_SSL_MODE", "required")], &[])?;
        told.says("database_tls", "warning", &["not verified", "verify_identity"])?;
        assert_eq!(told.code, Some(0));

        let told = doctor(&own, &[("DB_NAME", "elsewhere")], &[])?;
        told.fails("database_exists", "denied", &["elsewhere", "DB_NAME"])?;
        told.says("database_login", "ok", &[])?;

        let told = doctor(&own, &[("RDS_PORT", "9")], &[])?;
        told.fails("database_reach", "unavailable", &["Can't connect to MySQL server", "security groups"])?;
        let told = doctor(&own, &[("DB_HOST", "no-such-host.invalid")], &[])?;
        told.fails("database_resolve", "config", &["no-such-host.invalid", "DB_HOST"])?;
        let told = doctor(&own, &[("RDS_PORT", &world.api.port().to_string())], &["--timeout", "1"])?;
        told.fails("database_reach", "timeout", &["no answer within 1 s"])?;

        world.database.stop()?;
        let told = doctor(&own, &[], &[])?;
        told.fails("database_reach", "unavailable", &["Can't connect to MySQL server"])?;
        told.says("api_token", "ok", &[])?;
        Ok(())
    })
}

#[test]
fn a_database_without_tls_is_told_of() -> Outcome {
    run(async {
        let database = Database::start_with(false, &[]).await?;
        let api = CatalogueServer::start_over(TOKEN, database.socket(), DATABASE)?.with_token_first()?;
        let world = World { s3: S3Server::start()?, database, api };
        // There is no certificate authority either.
        let own = of(&world);
        let told = doctor(&own, &[("DB_SSL_CA", "")], &[])?;
        told.fails("database_tls", "config", &["DB_SSL_MODE=disabled"])?;
        let told = doctor(&own, &[("DB_SSL_CA", ""), ("DB_SSL_MODE", "disabled")], &[])?;
        match Kind::wanted() {
            Kind::MariaDb => {
                told.says("database_tls", "warning", &["not encrypted"])?;
                assert_eq!(told.code, Some(0), "{}", told.report);
            }
            // MySQL refuses a password over a connection that is not encrypted.
            Kind::MySql => {
                told.fails("database_tls", "config", &["caching_sha2_password", "switch TLS on"])?;
            }
        }
        Ok(())
    })
}

#[test]
fn tables_columns_and_privileges_are_held_against_what_the_program_does() -> Outcome {
    run(async {
        let world = strict_world().await?;
        let own = of(&world);
        let sql = async |statements: &str| world.database.rows(statements).await.map(drop);

        sql("RENAME TABLE video_assets TO elsewhere").await?;
        let told = doctor(&own, &[], &[])?;
        told.fails("database_tables", "config", &["video_assets", "0001_contents_and_video_assets.sql"])?;
        told.says("duplicate_rows", "skipped", &[])?;
        sql("RENAME TABLE elsewhere TO video_assets").await?;

        sql("ALTER TABLE video_assets DROP COLUMN duration").await?;
        let told = doctor(&own, &[], &[])?;
        told.fails("database_columns", "config", &["video_assets.duration is missing"])?;
        sql("ALTER TABLE video_assets ADD COLUMN duration INT NOT NULL, MODIFY video_url VARCHAR(200) NOT NULL, \
             ADD COLUMN owner INT NOT NULL")
        .await?;
        let told = doctor(&own, &[], &[])?;
        let words = [
            "video_assets.video_url is varchar(200)",
            "500 characters",
            "video_assets.owner requires a value",
        ];
        told.fails("database_columns", "config", &words)?;
        sql("ALTER TABLE video_assets DROP COLUMN owner, MODIFY video_url VARCHAR(500) CHARACTER SET latin1 NOT NULL").await?;
        let told = doctor(&own, &[], &[])?;
        told.says(
            "database_columns",
            "warning",
            &["video_assets.video_url has the character set latin1", "utf8mb4"],
        )?;
        sql("ALTER TABLE video_assets MODIFY video_url VARCHAR(500) NOT NULL").await?;

        for (grants, missing) in
            [("SELECT, INSERT", "UPDATE on video_assets"), ("SELECT, UPDATE", "INSERT on video_assets")]
        {
            sql(&format!("REVOKE SELECT, INSERT, UPDATE ON {DATABASE}.* FROM {USER}; GRANT {grants} ON {DATABASE}.* TO {USER}"))
                .await?;
            let told = doctor(&own, &[], &[])?;
            told.fails("database_privileges", "denied", &[missing, "GRANT SELECT, INSERT, UPDATE"])?;
            sql(&format!("GRANT SELECT, INSERT, UPDATE ON {DATABASE}.* TO {USER}")).await?;
        }
        // Only videos without a number need the permission to insert contents.
        sql(&format!(
            "REVOKE INSERT ON {DATABASE}.* FROM {USER}; GRANT INSERT ON {DATABASE}.video_assets TO {USER}"
        ))
        .await?;
        let told = doctor(&own, &[], &[])?;
        told.says("database_privileges", "warning", &["INSERT on contents"])?;
        sql(&format!(
            "REVOKE SELECT, UPDATE ON {DATABASE}.* FROM {USER}; REVOKE INSERT ON {DATABASE}.video_assets FROM {USER}; \
             GRANT SELECT, UPDATE ON {DATABASE}.contents TO {USER}"
        ))
        .await?;
        let told = doctor(&own, &[], &[])?;
        told.fails("database_tables", "denied", &["video_assets", "GRANT SELECT, INSERT, UPDATE"])?;
        Ok(())
    })
}

#[test]
fn duplicates_and_rows_without_content_are_counted() -> Outcome {
    run(async {
        let world = strict_world().await?;
        let own = of(&world);
        world.database.fill(4).await?;
        // Letter case makes another video, also with a collation that ignores case.
        world
            .database
            .rows(
                "INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration) VALUES \
                 (1, 's3://films/videos/1_x.mp4', 't', 1), (1, 's3://films/videos/1_X.mp4', 't', 1), \
                 (2, 's3://films/videos/1_x.mp4', 't', 1); \
                 SET foreign_key_checks = 0; DELETE FROM contents WHERE id = 3",
            )
            .await?;
        let told = doctor(&own, &[], &[])?;
        assert_eq!(
            (told.code, told.names("warning")),
            (Some(0), vec!["duplicate_rows", "rows_without_content"]),
            "{}",
            told.report
        );
        told.says("duplicate_rows", "warning", &["more than one row: 1, with 3 of 7 rows", "never deleted"])?;
        told.says("rows_without_content", "warning", &["no content: 1"])?;
        // A large table is read only with `--deep`. The ends of its primary key give an upper bound for the rows.
        world.database.rows("UPDATE video_assets SET id = 500000 WHERE thumbnail_url = 't' LIMIT 1").await?;
        let large = doctor(&own, &[], &[])?;
        for name in ["duplicate_rows", "rows_without_content"] {
            large.says(name, "skipped", &["up to 500000 rows", "--deep"])?;
        }
        // The checks that read no rows still run.
        for name in ["database_sql_mode", "database_ids", "database_privileges", "unique_key"] {
            large.says(name, "ok", &[])?;
        }
        doctor(&own, &[], &["--deep"])?.says("duplicate_rows", "warning", &["with 3 of 7 rows"])?;
        // MySQL checks the foreign key when the table is altered.
        world.database.rows("INSERT INTO contents (id, title) VALUES (3, 'x')").await?;
        world.database.rows("DELETE FROM video_assets WHERE thumbnail_url = 't'").await?;
        told.says("unique_key", "ok", &["no index for searches", "--optional index"])?;
        for which in ["index", "unique"] {
            world.database.rows(&optional_migration(which)?).await?;
        }
        let told = doctor(&own, &[], &[])?;
        told.says("unique_key", "ok", &["there is a unique key", "and an index"])?;
        told.says("duplicate_rows", "ok", &["none among 4 rows"])?;
        told.says("database_columns", "ok", &[])?;
        Ok(())
    })
}

/// The name has two addresses, the first of which drops packets.
#[test]
fn a_dead_address_of_the_database_does_not_keep_from_the_next() -> Outcome {
    run(async {
        // The C library sorts 127.0.0.1 first.
        let database = Database::start_with(true, &["--bind-address=127.0.0.2"]).await?;
        let api = CatalogueServer::start_over(TOKEN, database.socket(), DATABASE)?;
        let world = World { s3: S3Server::start()?, database, api };
        let dead = tokio::net::TcpSocket::new_v4()?;
        dead.bind(([127, 0, 0, 1], world.database.port()).into())?;
        let dead = dead.listen(1)?;
        let mut full = Vec::new();
        while let Ok(stream) = tokio::time::timeout(
            Duration::from_millis(200),
            tokio::net::TcpStream::connect(dead.local_addr()?),
        )
        .await
        {
            full.push(stream?);
        }
        let folder = tempfile::tempdir()?;
        let hosts = folder.path().join("hosts");
        fs::write(&hosts, "127.0.0.2 db.test\n127.0.0.1 db.test\n")?;
        let told = doctor_by(with_hosts(&hosts)?, &of(&world), &[("DB_HOST", "db.test")], &[])?;
        told.says("database_resolve", "ok", &["127.0.0.1, 127.0.0.2"])?;
        told.says("database_reach", "ok", &["a server of version"])?;
        told.says("database_tls", "ok", &["for db.test"])?;
        told.says("database_login", "ok", &[USER])?;
        let login = told.check("database_login")?["elapsed_ms"].as_u64().ok_or("no time")?;
        assert!((200..5000).contains(&login), "{login} ms");
        Ok(())
    })
}

#[test]
fn a_lenient_server_and_ids_that_run_out_are_told_of() -> Outcome {
    run(async {
        let world = strict_world().await?;
        let own = of(&world);
        world
            .database
            .rows("SET GLOBAL sql_mode = ''; INSERT INTO contents (id, title) VALUES (2147000000, 'x')")
            .await?;
        let told = doctor(&own, &[], &[])?;
        told.says("database_sql_mode", "warning", &["not strict", "STRICT_TRANS_TABLES"])?;
        told.says("database_ids", "warning", &["contents: the next id is 2147000001, the last 2147483647"])?;
        world.database.rows("INSERT INTO contents (id, title) VALUES (2147483647, 'x')").await?;
        let told = doctor(&own, &[], &[])?;
        told.fails("database_ids", "config", &["AUTO_INCREMENT = 1"])?;
        Ok(())
    })
}

#[test]
fn the_api_is_asked_for_the_token_without_a_content() -> Outcome {
    run(async {
        let mut world = strict_world().await?;
        let own = of(&world);
        let told = doctor(&own, &[("INTERNAL_TOKEN", "canary-wrong")], &[])?;
        told.fails("api_token", "denied", &["FastAPI upsert 실패: 401", "check INTERNAL_TOKEN"])?;
        let base = world.api.base();
        let told = doctor(&own, &[("CATALOG_API_BASE", base.trim_end_matches("/api"))], &[])?;
        told.fails("api_token", "config", &["404", "CATALOG_API_BASE"])?;
        let told = doctor(&own, &[("CATALOG_API_BASE", "http://no-such-host.invalid/api")], &[])?;
        told.fails("api_resolve", "config", &["CATALOG_API_BASE"])?;
        // If the API's answer repeats the token, `doctor` does not print the token.
        world.api.faults(&[
            json!({}),
            json!({}),
            json!({"echo": 403}),
            json!({}),
            json!({}),
            json!({"echo": 403}),
        ])?;
        let told = doctor(&own, &[], &[])?;
        told.fails("api_token", "denied", &["[INTERNAL_TOKEN]"])?;

        // An API that checks the body first does not reveal whether the token is right. `doctor` warns about that.
        let late = CatalogueServer::start(TOKEN)?;
        for token in [TOKEN, "canary-wrong"] {
            let told = doctor(&own, &[("CATALOG_API_BASE", &late.base()), ("INTERNAL_TOKEN", token)], &[])?;
            told.says("api_token", "warning", &["422", "the API checks the token after the body"])?;
            assert_eq!(told.code, Some(0));
        }
        assert_eq!(late.contents()?, json!([]));

        let own_certificate = CatalogueServer::start_with_own_certificate(TOKEN)?;
        let told = doctor(&own, &[("CATALOG_API_BASE", &own_certificate.base())], &[])?;
        told.fails("api_reach", "unavailable", &["certificate", "SSL_CERT_FILE"])?;
        world.api.faults(&[json!({"silent": true}), json!({"silent": true})])?;
        let told = doctor(&own, &[], &["--timeout", "1"])?;
        told.fails("api_reach", "timeout", &["NAT gateway"])?;
        world.api.stop();
        let told = doctor(&own, &[], &[])?;
        told.fails("api_reach", "unavailable", &["FastAPI 호출 중 네트워크 오류"])?;
        told.says("api_token", "skipped", &["api_reach failed"])?;
        Ok(())
    })
}

/// Permissions as in AWS.
#[test]
fn a_missing_permission_is_named() -> Outcome {
    run(async {
        let (world, aws) = (strict_world().await?, Moto::start().await?);
        aws.put("videos/1_test_video.mp4", film()?).await?;
        aws.put_secret("db", &json!({"username": USER, "password": PASSWORD}).to_string()).await?;
        let token = aws.put_secret("token", TOKEN).await?;
        let mut own = of(&world);
        own.extend([
            ("DB_PASSWORD", String::new()),
            ("DB_PASSWORD_SECRET", "db".to_owned()),
            ("INTERNAL_TOKEN", String::new()),
            ("INTERNAL_TOKEN_SECRET", token),
        ]);
        // The permissions of the replaced Lambda are sufficient.
        own.extend(aws.settings(&["db", "token"]).await?);
        let told = doctor(&own, &[], &[VIDEO, "--write"])?;
        assert_eq!(told.code, Some(0), "{}", told.report);
        assert!(told.names("warning").is_empty(), "{}", told.report);
        told.says("secret_db_password", "ok", &["secretsmanager:GetSecretValue"])?;
        told.says("secret_internal_token", "ok", &[])?;
        // Without a key, `doctor` cannot distinguish a missing permission from a missing object.
        let told = doctor(&own, &[], &["--bucket", BUCKET])?;
        told.says(
            "bucket_read",
            "warning",
            &["403", "s3:ListBucket", "s3:GetObject", "cannot be told apart"],
        )?;
        assert_eq!(told.code, Some(0));

        aws.permit(&["s3:PutObject"], &["db", "token"], &[]).await?;
        let told = doctor(&own, &[], &[VIDEO, "--write"])?;
        told.fails(
            "bucket_read",
            "denied",
            &["AccessDenied", "s3:GetObject", "arn:aws:s3:::films/*", "bucket policy"],
        )?;
        told.says("video", "skipped", &["bucket_read failed"])?;
        aws.permit(&["s3:GetObject"], &["db", "token"], &[]).await?;
        let told = doctor(&own, &[], &[VIDEO, "--write"])?;
        told.fails("bucket_write", "denied", &["s3:PutObject", "arn:aws:s3:::films/*"])?;
        own.insert("POSTER_AT_TAG", "true".to_owned());
        let told = doctor(&own, &[], &[VIDEO])?;
        told.fails("object_tags", "denied", &["s3:GetObjectTagging", "arn:aws:s3:::films/*"])?;
        aws.permit(&["s3:GetObject", "s3:GetObjectTagging"], &["db", "token"], &[]).await?;
        doctor(&own, &[], &[VIDEO])?.says("object_tags", "ok", &["there is no poster-at"])?;
        let told = doctor(&own, &[("S3_REQUEST_PAYER", "me")], &[VIDEO])?;
        told.fails("bucket_read", "config", &["S3_REQUEST_PAYER", "requester"])?;
        told.says("video", "skipped", &["bucket_read failed"])?;
        aws.settings(&["token"]).await?;
        let told = doctor(&own, &[], &[VIDEO])?;
        told.fails("secret_db_password", "denied", &["secret db", "secretsmanager:GetSecretValue"])?;
        told.says("database_login", "skipped", &["secret_db_password failed"])?;
        aws.settings(&["db", "token", "nowhere"]).await?;
        let told = doctor(&own, &[("DB_PASSWORD_SECRET", "nowhere")], &[VIDEO])?;
        told.fails("secret_db_password", "config", &["does not exist in Secrets Manager"])?;
        // The variable contains the password itself instead of a secret's name.
        let told = doctor(&own, &[("DB_PASSWORD_SECRET", PASSWORD)], &[VIDEO])?;
        told.fails("secret_db_password", "config", &["not to the secret"])?;

        let told = doctor(&own, &[("AWS_ACCESS_KEY_ID", "AKIANOBODYKNOWSTHIS")], &[VIDEO])?;
        told.says("bucket_read", "failed", &["InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"])?;
        assert_eq!(told.code, Some(4), "{}", told.report);
        let told = doctor(&own, &[("AWS_SECRET_ACCESS_KEY", "canary-of-a-key")], &[VIDEO])?;
        told.says("bucket_read", "failed", &["SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"])?;
        Ok(())
    })
}

/// With `--write`, a role must also be able to write into the folder of the storyboards, if any are written.
#[test]
fn the_folder_of_the_storyboards_is_written_too() -> Outcome {
    run(async {
        let world = strict_world().await?;
        let own = of(&world);
        let probe = |folder: &str| world.thumbnail(&format!("{folder}.posterframe-doctor"));
        let write =
            |template: &str| doctor(&own, &[("STORYBOARD_KEY", template)], &["--bucket", BUCKET, "--write"]);
        let is_put =
            |seen: &servers::Seen| seen.method == "PUT" && seen.path.starts_with("/films/storyboards/");
        // The helper runs the program twice.
        world.s3.faults.when(2, is_put, Fault::s3_error(403, "AccessDenied", "Access Denied"));
        let told = write("storyboards/{dir}{name}")?;
        let url = "s3://films/storyboards/.posterframe-doctor";
        told.fails("bucket_write", "denied", &[url, "s3:PutObject", "arn:aws:s3:::films/*"])?;
        assert!(probe("thumbnails/").is_file() && !probe("storyboards/").exists());
        let told = write("storyboards/{dir}{name}")?;
        let both = ["thumbnails/.posterframe-doctor is there", "storyboards/.posterframe-doctor is there"];
        told.says("bucket_write", "ok", &both)?;
        assert!(fs::read_to_string(probe("storyboards/"))?.contains("may be deleted"));
        // A folder beside the thumbnails, and one in the whole bucket.
        let before = world.s3.faults.seen().len();
        write("{prefix}{dir}{name}/")?.says(
            "bucket_write",
            "ok",
            &["thumbnails/.posterframe-doctor is there"],
        )?;
        let seen = world.s3.faults.seen().split_off(before);
        assert_eq!(seen.iter().filter(|seen| seen.method == "PUT").count(), 2, "one for each run");
        write("{dir}{name}.tiles/")?.says("bucket_write", "ok", &["; .posterframe-doctor is there"])?;
        assert!(probe("").is_file());
        Ok(())
    })
}

#[test]
fn region_credentials_and_bucket_are_told_apart() -> Outcome {
    run(async {
        let world = strict_world().await?;
        let own = of(&world);
        world.s3.put("videos/1_test_video.mp4", &film()?)?;
        world.s3.put("videos/2_text.mp4", b"this is no video")?;
        let told = doctor(&own, &[("AWS_REGION", "")], &[VIDEO])?;
        told.fails("aws_region", "config", &["set AWS_REGION"])?;
        told.says("bucket_read", "skipped", &["aws_region failed"])?;
        let told = doctor(&own, &[("AWS_SECRET_ACCESS_KEY", "")], &[VIDEO])?;
        told.fails("aws_credentials", "config", &["AWS_PROFILE"])?;
        told.says("bucket_read", "skipped", &["aws_credentials failed"])?;
        // AWS returns the bucket's region. The test servers have no region.
        let redirect = Fault::s3_error(301, "PermanentRedirect", "use the endpoint of its region");
        world.s3.faults.on_next(2, redirect.with_header("x-amz-bucket-region", "eu-west-1"));
        let told = doctor(&own, &[], &["--bucket", BUCKET])?;
        told.fails("bucket_read", "config", &["eu-west-1", "AWS_REGION"])?;
        world.s3.faults.always(Fault::s3_error(503, "SlowDown", "Please reduce your request rate."));
        let told = doctor(&own, &[], &[VIDEO, "--write"])?;
        for name in ["bucket_read", "bucket_write"] {
            told.says(name, "failed", &["SlowDown", "throttles requests"])?;
        }
        world.s3.faults.clear();
        let told = doctor(&own, &[], &["--bucket", "no-such-bucket"])?;
        told.fails("bucket_read", "not_found", &["no bucket no-such-bucket"])?;
        let told = doctor(&own, &[], &["s3://films/videos/9_gone.mp4"])?;
        told.fails("bucket_read", "not_found", &["no such object"])?;
        let told = doctor(&own, &[], &["s3://films/videos/2_text.mp4"])?;
        told.fails("video", "malformed", &["upload the video again"])?;
        world.s3.put("videos/99999999999_x.mp4", &film()?)?;
        let told = doctor(&own, &[], &["s3://films/videos/99999999999_x.mp4"])?;
        told.fails("object_name", "malformed", &["2147483647"])?;
        world.s3.put("videos/test.mp4", &film()?)?;
        let told = doctor(&own, &[], &["s3://films/videos/test.mp4"])?;
        told.says("object_name", "warning", &["no content id", "{content_id}_{slug}.mp4"])?;
        let endpoint = format!("http://127.0.0.1:{}", free_port()?);
        let started = Instant::now();
        let told = doctor(&own, &[("AWS_ENDPOINT_URL", &endpoint)], &[VIDEO])?;
        told.fails("bucket_read", "unavailable", &["VPC"])?;
        assert!(started.elapsed() < Duration::from_secs(60));
        Ok(())
    })
}

#[test]
fn the_bastion_is_seen_through() -> Outcome {
    run(async {
        let (world, aws) = (strict_world().await?, Moto::start().await?);
        let mut bastion = sshd::Sshd::start(&[format!("localhost:{}", world.database.port())])?;
        let keys = tempfile::tempdir()?;
        for name in ["user", "stranger"] {
            sshd::keygen(&["-t", "ed25519"], &keys.path().join(name))?;
        }
        bastion.allow(&keys.path().join("user.pub"))?;
        aws.put_secret("bastion", &fs::read_to_string(keys.path().join("user"))?).await?;
        aws.put_secret("stranger", &fs::read_to_string(keys.path().join("stranger"))?).await?;
        let pin = bastion.host_key("ed25519")?;
        let mut own = of(&world);
        own.extend(aws.settings(&["bastion", "stranger"]).await?);
        own.extend([
            ("DB_HOST", "localhost".to_owned()),
            ("BASTION_HOST", "127.0.0.1".to_owned()),
            ("BASTION_PORT", bastion.port().to_string()),
            ("BASTION_USER", bastion.user().to_owned()),
            ("BASTION_SSH_KEY_SECRET", "bastion".to_owned()),
            ("BASTION_HOST_KEY", pin.clone()),
        ]);
        let told = doctor(&own, &[], &[])?;
        assert_eq!(told.code, Some(0), "{}", told.report);
        assert!(told.names("warning").is_empty(), "{}", told.report);
        told.says("bastion_host_key", "ok", &[&bastion.fingerprint("ed25519")?])?;
        told.says("database_reach", "ok", &["through the bastion"])?;
        told.says("database_privileges", "ok", &[])?;

        // The value to pin is the one that `ssh-keyscan` prints.
        let value = format!("BASTION_HOST_KEY='{pin}'");
        let told = doctor(&own, &[("BASTION_HOST_KEY", "")], &[])?;
        told.says("bastion_host_key", "failed", &[&value])?;
        told.says("configuration", "failed", &["BASTION_HOST_KEY"])?;
        told.says("database_login", "skipped", &[])?;
        assert_eq!(told.code, Some(2));
        let stranger = fs::read_to_string(keys.path().join("stranger.pub"))?;
        let told = doctor(&own, &[("BASTION_HOST_KEY", &stranger)], &[])?;
        told.fails("bastion_host_key", "denied", &[&value, "another machine may be in the path"])?;
        sshd::keygen(&["-t", "rsa"], &keys.path().join("other"))?;
        let other = fs::read_to_string(keys.path().join("other.pub"))?;
        let told = doctor(&own, &[("BASTION_HOST_KEY", &other)], &[])?;
        told.fails("bastion_host_key", "denied", &["ssh_host_rsa_key.pub"])?;
        let told = doctor(&own, &[("BASTION_HOST_KEY", "insecure-any")], &[])?;
        told.says("bastion_host_key", "warning", &[&value])?;
        let told = doctor(&own, &[("BASTION_SSH_KEY_SECRET", "stranger")], &[])?;
        told.fails("bastion_login", "denied", &["BASTION_USER", "authorized_keys"])?;
        let told = doctor(&own, &[("BASTION_SSH_KEY_SECRET", "elsewhere")], &[])?;
        told.says("secret_bastion_key", "failed", &["secretsmanager:GetSecretValue"])?;
        told.says("bastion_login", "skipped", &["secret_bastion_key failed"])?;
        let told = doctor(&own, &[("RDS_PORT", "9")], &[])?;
        told.says("database_reach", "failed", &["PermitOpen"])?;
        let told = doctor(&own, &[("BASTION_HOST", "no-such-host.invalid")], &[])?;
        told.fails("bastion_resolve", "config", &["BASTION_HOST"])?;
        bastion.stop()?;
        let told = doctor(&own, &[], &[])?;
        told.fails("bastion_reach", "unavailable", &["security group"])?;
        told.says("database_tls", "skipped", &[])?;
        Ok(())
    })
}

#[test]
fn a_folder_and_its_catalogue_are_checked() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let own = Settings::from([
        ("STORE_DIR", store.display().to_string()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]);
    let sqlite = ["--catalog", "sqlite"];
    let told = doctor(&own, &[], &sqlite)?;
    assert_eq!(told.code, Some(0), "{}", told.report);
    told.says("catalog_file", "ok", &["does not exist yet"])?;
    assert!(!store.exists(), "looking has made it");

    let video = folder.path().join("1_a.mp4");
    fs::write(&video, film()?)?;
    let mut process = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    assert!(process.env_clear().envs(&own).arg("process").arg(&video).output()?.status.success());
    let told = doctor(&own, &[], &sqlite)?;
    assert_eq!((told.code, told.names("skipped").len()), (Some(0), 0), "{}", told.report);
    told.says("duplicate_rows", "ok", &["none among 1 rows"])?;

    let file = store.join("catalog.sqlite3");
    run(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
        let double = "INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration) \
                      SELECT content_id, video_url, thumbnail_url, duration FROM video_assets";
        sqlx::raw_sql(double).execute(&mut connection).await?;
        sqlx::raw_sql("PRAGMA foreign_keys = 0; DELETE FROM contents").execute(&mut connection).await?;
        Ok(connection.close().await?)
    })?;
    let told = doctor(&own, &[], &sqlite)?;
    told.says("duplicate_rows", "warning", &["more than one row: 1, with 2 of 2"])?;
    told.says("rows_without_content", "warning", &["no content: 2"])?;
    run(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
        sqlx::raw_sql("ALTER TABLE video_assets RENAME COLUMN duration TO seconds")
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    })?;
    let told = doctor(&own, &[], &sqlite)?;
    told.fails("catalog_tables", "config", &["duration", "posterframe schema"])?;
    fs::write(&file, "this is no database, and longer than a header of one hundred bytes: ".repeat(4))?;
    for end in ["-wal", "-shm"] {
        // The files may already be gone.
        let _ = fs::remove_file(store.join(format!("catalog.sqlite3{end}")));
    }
    let told = doctor(&own, &[], &sqlite)?;
    told.fails("catalog_tables", "malformed", &["CATALOG_SQLITE"])?;
    let told = doctor(&own, &[("CATALOG_SQLITE", &store.display().to_string())], &sqlite)?;
    told.says("catalog_file", "failed", &["CATALOG_SQLITE"])?;
    let told = doctor(&own, &[("STORE_DIR", &video.display().to_string()), ("CATALOG_SQLITE", "")], &sqlite)?;
    told.says("store_read", "failed", &["STORE_DIR"])?;
    Ok(())
}

#[test]
fn what_cannot_be_asked_for_is_refused() -> Outcome {
    for arguments in [
        &["films"][..],
        &["s3://"],
        &["--bucket", "s3://films"],
        &["s3://films", "--bucket", "films"],
        &["--catalog", "x"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
        let output = command.env_clear().arg("doctor").args(arguments).output()?;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_posterframe")).args(["doctor", "--help"]).output()?;
    let help = String::from_utf8(help.stdout)?;
    assert!(
        help.contains("Examples:") && help.contains("The objects stay") && help.contains("s3:DeleteObject"),
        "{help}"
    );
    Ok(())
}

/// A folder cannot be an argument. The message contains the command that checks the folder, for a shell.
#[test]
fn the_message_for_a_folder_contains_its_command() -> Outcome {
    let folder = tempfile::tempdir()?;
    let program = Path::new(env!("CARGO_BIN_EXE_posterframe"));
    let path = format!("{}:/usr/bin:/bin", program.parent().ok_or("no parent")?.display());
    for name in ["films", "my films", "it's \"$HOME\""] {
        fs::create_dir(folder.path().join(name))?;
        let run = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.env_clear().env("PATH", &path).current_dir(folder.path()).args(arguments).output()
        };
        let output = run("posterframe", &["doctor", name])?;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = String::from_utf8(output.stderr)?;
        assert!(told.contains("a bucket is written s3://bucket or s3://bucket/key"), "{told}");
        let advice = told.split('`').nth(1).ok_or_else(|| format!("no command: {told}"))?;
        let output = run("sh", &["-c", &format!("{advice} --json")])?;
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let told = Told { code: output.status.code(), report };
        assert_eq!(told.code, Some(0), "{advice}: {}", told.report);
        let read = told.check("store_read")?;
        assert_eq!(read["seen"], format!("{name} can be read"), "{advice}");
    }
    Ok(())
}

/// Every row of the page names checks that exist, and every check is on the page.
#[test]
fn the_page_of_troubles_names_checks_that_exist() -> Outcome {
    let nothing = Settings::from([("AWS_EC2_METADATA_DISABLED", "true".to_owned())]);
    let mut known = Vec::new();
    for catalogue in ["mysql", "sqlite"] {
        let told = doctor(&nothing, &[], &["--catalog", catalogue])?;
        for check in told.report["checks"].as_array().ok_or("no checks")? {
            known.push(check["name"].as_str().ok_or("no name")?.to_owned());
        }
    }
    let text = fs::read_to_string(in_repository("docs/troubleshooting.md"))?;
    let rows: Vec<_> =
        text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| symptom")).collect();
    assert!(rows.len() >= 25, "{} rows", rows.len());
    let mut named = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        let checks: Vec<_> =
            cells[1].split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect();
        for check in &checks {
            assert!(known.contains(check), "{check} is no check: {row}");
        }
        assert!(!checks.is_empty() && cells[2].trim().len() > 20, "{row}");
        named.extend(checks);
    }
    for check in known {
        assert!(named.contains(&check), "{check} is in no row");
    }
    // The errors that the replaced Lambda's own page quotes.
    for words in [
        "AccessDenied: Access Denied",
        "pymysql.Error: (2003, \"Can't connect to MySQL server\")",
        "FileNotFoundError: [Errno 2] No such file or directory: '/usr/local/bin/ffmpeg'",
        "FastAPI 호출 중 네트워크 오류: Connection timeout",
        "subprocess.CalledProcessError: Command '['ffmpeg', ...]' returned non-zero exit status 1",
        "ValueError: invalid literal for int() with base 10: 'test'",
        "Task timed out after 600.00 seconds",
    ] {
        assert!(text.contains(words), "{words}");
    }
    Ok(())
}
