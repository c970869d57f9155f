//! Tests of the catalogue against a real MariaDB, with contents through a real FastAPI. They check the promises of the `Catalog`
//! trait, many concurrent workers, the statements that are sent, and recovery from lost connections.

#[path = "common/catalog_promises.rs"]
mod catalog_promises;
#[path = "common/catalogue_api.rs"]
mod catalogue_api;
mod common;
#[path = "common/far_proxy.rs"]
mod far_proxy;
#[path = "common/ports.rs"]
mod ports;
#[path = "common/programs.rs"]
mod programs;
#[path = "common/servers.rs"]
mod servers;
#[path = "common/sshd.rs"]
mod sshd;

use catalog_promises::{asset, conforms, content, id, registers};
use catalogue_api::CatalogueServer;
use far_proxy::FarProxy;
use posterframe::ErrorKind;
use posterframe::catalog::{CatalogError, KnownRows, MySqlCatalog, RemoteCatalog};
use posterframe::config::{DatabaseSettings, RemoteSettings};
use posterframe::secret::{Secret, SecretSource, SecretStore};
use programs::Outcome;
use programs::database::{DATABASE, Database, Kind, USER, optional_migration};
use sqlx::Row as _;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const TOKEN: &str = "canary-internal-token";

fn run<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The settings from a program's environment, with these changes. An empty value unsets a variable.
fn settings(database: &Database, changes: &[(&str, &str)]) -> Outcome<RemoteSettings> {
    database.settings(TOKEN, changes)
}

fn aws() -> aws_types::SdkConfig {
    aws_types::SdkConfig::builder().build()
}

fn rows(settings: &DatabaseSettings) -> Outcome<MySqlCatalog> {
    Ok(MySqlCatalog::new(settings, SecretStore::new(&aws()), &aws())?)
}

fn remote(database: &Database, api: &CatalogueServer) -> Outcome<RemoteCatalog> {
    let config = settings(database, &[("CATALOG_API_BASE", &api.base())])?;
    Ok(RemoteCatalog::new(&config, SecretStore::new(&aws()), &aws())?)
}

fn plain(error: Box<dyn std::error::Error + Send + Sync>) -> Box<dyn std::error::Error> {
    error
}

/// Returns the error of connecting with these settings.
async fn refusal(database: &Database, changes: &[(&str, &str)]) -> Outcome<CatalogError> {
    let rows = rows(&settings(database, changes)?.database)?;
    let one = id(1).map_err(plain)?;
    let found = rows.find_content("s3://films/x", one).await;
    Ok(found.err().ok_or("it was let in")?)
}

#[test]
fn it_conforms() -> Outcome {
    run(async {
        let database = Database::start().await?;
        let api = CatalogueServer::start_over(TOKEN, database.socket(), DATABASE)?;
        registers(&remote(&database, &api)?).await.map_err(plain)?;
        conforms(&remote(&database, &api)?).await.map_err(plain)
    })
}

#[test]
fn it_conforms_where_the_server_speaks_latin1_and_with_the_optional_key() -> Outcome {
    run(async {
        let latin1 = ["--character-set-server=latin1", "--collation-server=latin1_swedish_ci"];
        let database = Database::start_with(true, &latin1).await?;
        let api = CatalogueServer::start_over(TOKEN, database.socket(), DATABASE)?;
        database.rows(&optional_migration("index")?).await?;
        database.rows(&optional_migration("unique")?).await?;
        registers(&remote(&database, &api)?).await.map_err(plain)?;
        conforms(&remote(&database, &api)?).await.map_err(plain)
    })
}

/// Without strict mode (the default of RDS and Aurora), with older character sets, and without autocommit. `init_connect`
/// applies only to users who are not administrators.
#[test]
fn it_conforms_where_the_server_is_lenient_old_and_commits_nothing_by_itself() -> Outcome {
    run(async {
        for (set, title) in [("utf8mb3", "1_한글.mp4"), ("latin1", "1_é.mp4")] {
            let arguments = ["--sql-mode=", "--init-connect=SET autocommit = 0"];
            let database = Database::start_with(true, &arguments).await?;
            for table in ["video_assets", "contents"] {
                database.rows(&format!("ALTER TABLE {table} CONVERT TO CHARACTER SET {set}")).await?;
            }
            let api = CatalogueServer::start_over(TOKEN, database.socket(), DATABASE)?;
            let catalog = remote(&database, &api)?;
            registers(&catalog).await.map_err(plain)?;
            let rows = rows(&settings(&database, &[])?.database)?;
            let named =
                rows.register(&content(title).map_err(plain)?, &asset("titled", 1).map_err(plain)?).await?;
            // A search sees rows committed after the last search, and leaves no lock that ALTER TABLE would wait for.
            let film = asset("titled", 1).map_err(plain)?;
            for duration in [5, 6] {
                database.rows(&format!("UPDATE video_assets SET duration = {duration}")).await?;
                let row = rows.find_content(film.video_url(), named.id).await?.found.row.ok_or("no row")?;
                assert_eq!(row.duration, duration, "{set}");
            }
            rows.find_row(film.video_url()).await?;
            database.rows("SET lock_wait_timeout = 1; ALTER TABLE video_assets ADD COLUMN later INT").await?;
            conforms(&catalog).await.map_err(plain)?;
        }
        Ok(())
    })
}

#[test]
fn any_url_comes_back_as_it_was() -> Outcome {
    run(async {
        let database = Database::start().await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        for (number, name) in
            ["한글 영상 🎬", "a'b\"c\\d", "%41+b", "end ", "x;DROP TABLE contents"].iter().enumerate()
        {
            let asset = asset(name, 7).map_err(plain)?;
            let made = rows.register(&content(&format!("{name}.mp4")).map_err(plain)?, &asset).await?.id;
            let found = rows.find_content(asset.video_url(), made).await?.found.row.ok_or("no row")?;
            assert_eq!(found.thumbnail_url, asset.thumbnail_url(), "{name}");
            let count = i64::try_from(number)? + 1;
            assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, count, "{name}");
        }
        Ok(())
    })
}

/// Each worker has its own connection, as each Lambda environment does.
#[test]
fn twenty_workers_leave_one_row_each_way() -> Outcome {
    run(async {
        let database = Database::start().await?;
        let config = settings(&database, &[])?;
        database.rows("INSERT INTO contents (id, title) VALUES (7, 'x')").await?;
        let mut workers = tokio::task::JoinSet::new();
        for worker in 0..20 {
            let rows = rows(&config.database)?;
            workers.spawn(async move {
                let named = asset("7_x", worker)?;
                // Most workers searched before the row existed, and another worker adds the row before they write.
                let known = rows.find_content(named.video_url(), id(7)?).await?.found.known;
                rows.write_asset(id(7)?, &named, &known).await?;
                let unnamed = asset("my_movie", worker)?;
                rows.register(&content("my_movie.mp4")?, &unnamed).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            });
        }
        while let Some(done) = workers.join_next().await {
            done?.map_err(plain)?;
        }
        assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 2);
        assert_eq!(database.number("SELECT COUNT(*) FROM contents").await?, 2);
        Ok(())
    })
}

#[test]
fn nothing_is_sent_that_pins_a_proxy() -> Outcome {
    run(async {
        let database = Database::start().await?;
        database.rows("INSERT INTO contents (id, title) VALUES (7, 'x')").await?;
        let rows = rows(&settings(&database, &[("PROXY_ENDPOINT", "127.0.0.1")])?.database)?;
        database.log_statements().await?;
        let prepared = database.status("Com_stmt_prepare").await?;
        let film = asset("7_x", 3).map_err(plain)?;
        let seven = id(7).map_err(plain)?;
        for seconds in [3, 4] {
            rows.write_asset(seven, &film.clone().with_duration(seconds), &KnownRows::default()).await?;
            rows.find_content(film.video_url(), seven).await?;
            rows.find_content("s3://films/x", seven).await?;
        }
        assert_eq!(database.status("Com_stmt_prepare").await?, prepared);
        let log = database.logged()?;
        let ours: Vec<_> =
            log.lines().filter(|line| line.contains("Query") && !line.contains("SHOW GLOBAL")).collect();
        assert!(ours.len() >= 10, "{log}");
        let expected = ["SELECT ", "INSERT ", "UPDATE ", "START TRANSACTION", "COMMIT", "SET autocommit = 1"];
        for line in ours {
            let statement = line.split_once("Query").map_or("", |(_, statement)| statement.trim());
            assert!(expected.iter().any(|begin| statement.starts_with(begin)), "{line}");
            assert!(!statement.contains("GET_LOCK"), "{line}");
        }
        // A registration of a name without an id takes its lock on a separate connection, and closes that connection.
        rows.register(&content("my_movie.mp4").map_err(plain)?, &asset("my_movie", 1).map_err(plain)?)
            .await?;
        assert!(database.logged()?.contains("GET_LOCK"));
        let sessions = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{USER}'");
        assert_eq!(database.number(&sessions).await?, 1);
        Ok(())
    })
}

/// Without a proxy, a registration uses the shared connection. It leaves neither a lock nor a transaction there, even if it fails.
#[test]
fn a_registration_opens_no_connection_and_leaves_no_lock() -> Outcome {
    run(async {
        let database = Database::start().await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        let (film, named) = (content("my_movie.mp4").map_err(plain)?, asset("my_movie", 1).map_err(plain)?);
        rows.find_row(named.video_url()).await?;
        let session =
            format!("SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE user = '{USER}'");
        let own = database.number(&session).await?;
        let first = rows.register(&film, &named).await?;
        let again = rows.register(&film, &named).await?;
        assert_eq!((first.is_new, again.is_new, again.id), (true, false, first.id));
        // The title is too long for the column, so the registration fails half-way.
        database.rows("ALTER TABLE contents MODIFY title VARCHAR(8) NOT NULL").await?;
        let other = asset("another", 1).map_err(plain)?;
        assert!(rows.register(&content("another_film.mp4").map_err(plain)?, &other).await.is_err());
        assert_eq!(database.number("SELECT COUNT(*) FROM contents").await?, 1);
        for url in [named.video_url(), other.video_url()] {
            let free = format!("SELECT IS_USED_LOCK(SHA2(CONCAT('{DATABASE}', 0x00, '{url}'), 256)) IS NULL");
            assert_eq!(database.number(&free).await?, 1, "{url}");
        }
        let begun = "SELECT COUNT(*) FROM information_schema.innodb_trx";
        assert_eq!((database.number(begun).await?, database.number(&session).await?), (0, own));
        Ok(())
    })
}

#[test]
fn a_lost_connection_is_made_again() -> Outcome {
    run(async {
        let mut database = Database::start().await?;
        database.rows("INSERT INTO contents (id, title) VALUES (7, 'x')").await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        let (film, seven) = (asset("7_x", 3).map_err(plain)?, id(7).map_err(plain)?);
        rows.write_asset(seven, &film, &KnownRows::default()).await?;
        assert_eq!(database.kill_sessions().await?, 1);
        rows.write_asset(seven, &film.clone().with_duration(4), &KnownRows::default()).await?;
        database.stop()?;
        let unknown = KnownRows::default();
        let (written, again) = tokio::join!(rows.write_asset(seven, &film, &unknown), async {
            sleep(Duration::from_millis(200)).await;
            database.start_again()
        });
        again?;
        written?;
        assert_eq!(database.number("SELECT duration FROM video_assets").await?, 3);
        assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 1);
        Ok(())
    })
}

/// After a failover, connections still lead to the former writer. That server refuses writes and answers everything else.
#[test]
fn a_demoted_server_is_left_for_its_successor() -> Outcome {
    run(async {
        let (old, new) = (Database::start().await?, Database::start().await?);
        for database in [&old, &new] {
            database.rows("INSERT INTO contents (id, title) VALUES (7, 'x')").await?;
        }
        let proxy = FarProxy::start(old.port())?;
        let port = proxy.port().to_string();
        let (film, seven) = (asset("7_x", 3).map_err(plain)?, id(7).map_err(plain)?);
        for (single, duration) in [("false", 4), ("true", 5)] {
            old.rows("SET GLOBAL read_only = OFF").await?;
            proxy.set_server(old.port());
            let changes =
                [("RDS_PORT", port.as_str()), ("DB_SSL_MODE", "required"), ("DB_SINGLE_STATEMENTS", single)];
            let rows = rows(&settings(&old, &changes)?.database)?;
            rows.write_asset(seven, &film, &KnownRows::default()).await?;
            rows.prepare_to_register().await;
            let known = rows.find_content(film.video_url(), seven).await?.found.known;
            old.rows("SET GLOBAL read_only = ON").await?;
            let changed = film.clone().with_duration(duration);
            // The host name resolves to the old server a moment longer.
            let (written, ()) = tokio::join!(rows.write_asset(seven, &changed, &known), async {
                sleep(Duration::from_millis(600)).await;
                proxy.set_server(new.port());
            });
            written?;
            let select = format!("SELECT COUNT(*) FROM video_assets WHERE duration = {duration}");
            assert_eq!((old.number(&select).await?, new.number(&select).await?), (0, 1));
            let name = format!("film_{single}");
            let (movie, video) =
                (content(&format!("{name}.mp4")).map_err(plain)?, asset(&name, 1).map_err(plain)?);
            assert!(rows.register(&movie, &video).await?.is_new);
        }
        assert_eq!(old.number("SELECT COUNT(*) FROM contents").await?, 1);
        assert_eq!(new.number("SELECT COUNT(*) FROM contents").await?, 3);
        // A reader endpoint stays a reader, so the write fails. A search of a table with a long lock gets no answer in time.
        new.rows("SET GLOBAL read_only = ON").await?;
        let mut other = old.root(DATABASE).await?;
        sqlx::raw_sql("LOCK TABLES contents WRITE, video_assets WRITE").execute(&mut other).await?;
        let reader = rows(&settings(&new, &[])?.database)?;
        let locked = rows(&settings(&old, &[])?.database)?.with_statement_time(Duration::from_millis(500));
        let unknown = KnownRows::default();
        let (reader, locked) = tokio::join!(
            reader.write_asset(seven, &film, &unknown),
            locked.find_content(film.video_url(), seven)
        );
        let words = ["to the writer endpoint", "Lost connection to MySQL server on '127.0.0.1:"];
        for (error, words) in [reader.err(), locked.err()].into_iter().zip(words) {
            let error = error.ok_or("there was an answer")?;
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        Ok(())
    })
}

/// The server disappears without closing the connection, as when packets are lost.
#[test]
fn a_statement_without_an_answer_costs_its_time_and_its_connection() -> Outcome {
    run(async {
        let database = Database::start().await?;
        database.rows("INSERT INTO contents (id, title) VALUES (7, 'x')").await?;
        let proxy = FarProxy::start(database.port())?;
        let rows = rows(&settings(&database, &[("RDS_PORT", &proxy.port().to_string())])?.database)?;
        let rows = rows.with_statement_time(Duration::from_millis(500));
        let (film, seven) = (asset("7_x", 3).map_err(plain)?, id(7).map_err(plain)?);
        rows.write_asset(seven, &film, &KnownRows::default()).await?;
        rows.prepare_to_register().await;
        proxy.set_delay(Duration::from_secs(3600));
        let begun = Instant::now();
        let (written, ()) = tokio::join!(
            async {
                rows.write_asset(seven, &film.clone().with_duration(4), &KnownRows::default()).await?;
                let unnamed = asset("my_movie", 1)?;
                rows.register(&content("my_movie.mp4")?, &unnamed).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            },
            async {
                sleep(Duration::from_millis(300)).await;
                proxy.set_delay(Duration::ZERO);
            }
        );
        written.map_err(plain)?;
        assert!(begun.elapsed() > Duration::from_millis(500), "the connection was not used");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(database.number("SELECT duration FROM video_assets WHERE content_id = 7").await?, 4);
        assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 2);
        Ok(())
    })
}

/// The account has as many connections as it is allowed. A new connection waits until another one ends.
#[test]
fn a_place_among_the_connections_is_waited_for() -> Outcome {
    run(async {
        let database = Database::start().await?;
        database.rows(&format!("ALTER USER {USER} WITH MAX_USER_CONNECTIONS 1")).await?;
        let config = settings(&database, &[])?.database;
        let (first, second) = (rows(&config)?, rows(&config)?);
        first.find_row("s3://films/x").await?;
        let (found, ()) = tokio::join!(second.find_row("s3://films/x"), async {
            sleep(Duration::from_millis(500)).await;
            drop(first);
        });
        found?;
        Ok(())
    })
}

/// MariaDB from 11.6 on, and earlier versions with the setting, report a conflict (1020) instead of overwriting a row that has
/// changed since the transaction began. The write is tried again.
#[test]
fn a_row_that_has_changed_since_is_written_by_another_attempt() -> Outcome {
    if Kind::wanted() != Kind::MariaDb {
        return Ok(());
    }
    run(async {
        let database = Database::start_with(true, &["--innodb-snapshot-isolation=ON"]).await?;
        database.rows("INSERT INTO contents (id, title) VALUES (7, 'x')").await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        let (film, seven) = (asset("7_x", 3).map_err(plain)?, id(7).map_err(plain)?);
        rows.write_asset(seven, &film, &KnownRows::default()).await?;
        let mut other = database.root(DATABASE).await?;
        sqlx::raw_sql("START TRANSACTION; UPDATE video_assets SET duration = 8").execute(&mut other).await?;
        let film = film.with_duration(4);
        let unknown = KnownRows::default();
        let (written, done) = tokio::join!(rows.write_asset(seven, &film, &unknown), async {
            sleep(Duration::from_millis(500)).await;
            sqlx::raw_sql("COMMIT").execute(&mut other).await
        });
        done?;
        written?;
        assert_eq!(database.number("SELECT duration FROM video_assets").await?, 4);
        Ok(())
    })
}

/// A content with the highest possible id leaves no id for the next content. The error must tell the operator how to fix that.
#[test]
fn ids_that_are_used_up_are_told_with_the_way_out() -> Outcome {
    run(async {
        let database = Database::start().await?;
        database.rows("INSERT INTO contents (id, title) VALUES (2147483647, 'x')").await?;
        let (movie, film) = (content("my_movie.mp4").map_err(plain)?, asset("my_movie", 1).map_err(plain)?);
        for single in ["false", "true"] {
            let rows = rows(&settings(&database, &[("DB_SINGLE_STATEMENTS", single)])?.database)?;
            let begun = Instant::now();
            let error = rows.register(&movie, &film).await.err().ok_or("there was an id")?;
            assert!(matches!(error, CatalogError::NoMoreIds), "{error}");
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        // The fix that the error names.
        database.rows("UPDATE contents SET id = 40; ALTER TABLE contents AUTO_INCREMENT = 1").await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        assert_eq!(rows.register(&movie, &film).await?.id, id(41).map_err(plain)?);
        // A wider column assigns ids that a file name cannot contain.
        let wider = "DROP TABLE video_assets, contents;
            CREATE TABLE contents (id BIGINT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL, description TEXT,
                age_rating VARCHAR(10)) AUTO_INCREMENT = 2147483648;
            CREATE TABLE video_assets (id INT AUTO_INCREMENT PRIMARY KEY, content_id BIGINT NOT NULL,
                video_url VARCHAR(500) NOT NULL, thumbnail_url VARCHAR(500) NOT NULL, duration INT NOT NULL)";
        database.rows(wider).await?;
        let error = rows
            .register(&movie, &asset("another", 1).map_err(plain)?)
            .await
            .err()
            .ok_or("there was an id")?;
        assert!(matches!(error, CatalogError::NoMoreIds), "{error}");
        assert_eq!(database.number("SELECT COUNT(*) FROM contents").await?, 0);
        Ok(())
    })
}

/// Another session locks the content. A write of this content waits for the lock, and writes of other contents do not.
#[test]
fn a_lock_that_does_not_come_is_waited_for_again() -> Outcome {
    run(async {
        let database = Database::start_with(true, &["--innodb-lock-wait-timeout=1"]).await?;
        database.rows("INSERT INTO contents (id, title) VALUES (7, 'x'), (8, 'y'), (9, 'z')").await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        let (film, seven) = (asset("7_x", 3).map_err(plain)?, id(7).map_err(plain)?);
        let mut other = database.root(DATABASE).await?;
        sqlx::raw_sql("START TRANSACTION; SELECT id FROM contents WHERE id = 7 FOR UPDATE")
            .execute(&mut other)
            .await?;
        let unknown = KnownRows::default();
        let (written, released) = tokio::join!(rows.write_asset(seven, &film, &unknown), async {
            sleep(Duration::from_millis(300)).await;
            let asked = Instant::now();
            for neighbour in [8, 9] {
                let film = asset(&format!("{neighbour}_x"), 3)?;
                let known = rows.find_content(film.video_url(), id(neighbour)?).await?.found.known;
                rows.write_asset(id(neighbour)?, &film, &known).await?;
            }
            let neighbours = asked.elapsed();
            sleep(Duration::from_millis(1500)).await;
            sqlx::raw_sql("COMMIT").execute(&mut other).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(neighbours)
        });
        let neighbours = released.map_err(plain)?;
        assert!(neighbours < Duration::from_secs(1), "{neighbours:?}");
        written?;
        database.rows("DELETE FROM video_assets WHERE content_id <> 7").await?;
        assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 1);
        Ok(())
    })
}

/// Another session locks one content for nine seconds, and another content for longer. The first is written. The second fails after
/// ten seconds, so that the event is repeated, and is written once the content is free.
#[test]
fn a_lock_is_waited_for_ten_seconds() -> Outcome {
    run(async {
        let database = Database::start().await?;
        database.rows("INSERT INTO contents (id, title) VALUES (7, 'x'), (8, 'y')").await?;
        let settings = settings(&database, &[])?.database;
        let (seventh, eighth) = (rows(&settings)?, rows(&settings)?);
        let (mut one, mut other) = (database.root(DATABASE).await?, database.root(DATABASE).await?);
        sqlx::raw_sql("START TRANSACTION; SELECT id FROM contents WHERE id = 7 FOR UPDATE")
            .execute(&mut one)
            .await?;
        sqlx::raw_sql("START TRANSACTION; SELECT id FROM contents WHERE id = 8 FOR UPDATE")
            .execute(&mut other)
            .await?;
        let begun = Instant::now();
        let (seven, eight) = (asset("7_x", 3).map_err(plain)?, asset("8_y", 3).map_err(plain)?);
        let (id_of_seven, id_of_eight) = (id(7).map_err(plain)?, id(8).map_err(plain)?);
        let unknown = KnownRows::default();
        let (written, failed, released) = tokio::join!(
            seventh.write_asset(id_of_seven, &seven, &unknown),
            async { (eighth.write_asset(id_of_eight, &eight, &unknown).await, begun.elapsed()) },
            async {
                sleep(Duration::from_secs(9)).await;
                sqlx::raw_sql("COMMIT").execute(&mut one).await
            },
        );
        released?;
        written?;
        let (failed, after) = failed;
        let error = failed.err().ok_or("a locked content was written")?;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!((10.0..13.0).contains(&after.as_secs_f64()), "{after:?}");
        sqlx::raw_sql("COMMIT").execute(&mut other).await?;
        assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 1);
        eighth.write_asset(id_of_eight, &eight, &unknown).await?;
        assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 2);
        Ok(())
    })
}

/// Each session holds the lock that the other session needs. The server rolls back ours (1213), because it has changed nothing yet.
#[test]
fn a_deadlock_is_tried_again() -> Outcome {
    run(async {
        let database = Database::start().await?;
        database.rows("INSERT INTO contents (id, title) VALUES (7, 'x')").await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        let (film, seven) = (asset("7_x", 3).map_err(plain)?, id(7).map_err(plain)?);
        rows.write_asset(seven, &film, &KnownRows::default()).await?;
        let mut other = database.root(DATABASE).await?;
        sqlx::raw_sql("START TRANSACTION; UPDATE video_assets SET duration = 8, thumbnail_url = 'other'")
            .execute(&mut other)
            .await?;
        let film = film.with_duration(4);
        let unknown = KnownRows::default();
        let (written, released) = tokio::join!(rows.write_asset(seven, &film, &unknown), async {
            // Our session has locked the content by now, and waits for the row.
            sleep(Duration::from_millis(500)).await;
            sqlx::raw_sql("SELECT id FROM contents WHERE id = 7 FOR UPDATE; COMMIT").execute(&mut other).await
        });
        released?;
        written?;
        assert_eq!(database.deadlocks().await?, 1);
        assert_eq!(database.number("SELECT duration FROM video_assets").await?, 4);
        Ok(())
    })
}

/// Without strict mode, the server truncates values or replaces characters by `?`, and reports that only as a warning.
#[test]
fn what_a_lenient_server_would_alter_is_not_committed() -> Outcome {
    run(async {
        let database = Database::start_with(true, &["--sql-mode="]).await?;
        let setup = "INSERT INTO contents (id, title) VALUES (7, 'x'); \
                     ALTER TABLE video_assets MODIFY thumbnail_url VARCHAR(20) NOT NULL";
        database.rows(setup).await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        let (film, seven) = (asset("7_x", 3).map_err(plain)?, id(7).map_err(plain)?);
        let known = rows.find_content(film.video_url(), seven).await?.found.known;
        for known in [known, KnownRows::default()] {
            let error = rows.write_asset(seven, &film, &known).await.err().ok_or("it was written")?;
            assert!(matches!(error, CatalogError::Altered { table: "video_assets" }), "{error}");
        }
        let unnamed = asset("my_movie", 1).map_err(plain)?;
        let wide = "ALTER TABLE video_assets MODIFY thumbnail_url VARCHAR(500) NOT NULL; \
                    ALTER TABLE contents CONVERT TO CHARACTER SET latin1";
        database.rows(wide).await?;
        let error = rows.register(&content("영화.mp4").map_err(plain)?, &unnamed).await.err();
        let error = error.ok_or("it was registered")?;
        assert!(matches!(error, CatalogError::Altered { table: "contents" }), "{error}");
        assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 0);
        assert_eq!(database.number("SELECT COUNT(*) FROM contents").await?, 1);
        rows.write_asset(seven, &film, &KnownRows::default()).await?;
        Ok(())
    })
}

/// With known rows a write is one packet. With `DB_SINGLE_STATEMENTS` it is several statements. Both must write the same rows.
#[test]
fn rows_are_written_by_one_packet_or_by_single_statements() -> Outcome {
    run(async {
        for single in ["false", "true"] {
            let database = Database::start().await?;
            database.rows("INSERT INTO contents (id, title) VALUES (7, 'x'), (8, 'y')").await?;
            let rows = rows(&settings(&database, &[("DB_SINGLE_STATEMENTS", single)])?.database)?;
            let (film, seven) = (asset("7_x", 3).map_err(plain)?, id(7).map_err(plain)?);
            for seconds in [3, 4] {
                let known = rows.find_content(film.video_url(), seven).await?.found.known;
                rows.write_asset(seven, &film.clone().with_duration(seconds), &known).await?;
            }
            // The row moves to another content. The write uses the rows that a search found.
            let found = rows.find_row(film.video_url()).await?;
            rows.write_asset(id(8).map_err(plain)?, &film, &found.known).await?;
            // The write also finds rows that were added after the search.
            rows.write_asset(
                id(8).map_err(plain)?,
                &film.clone().with_duration(5),
                &known_none(&rows).await?,
            )
            .await?;
            let orphan = rows.write_asset(id(9).map_err(plain)?, &film, &found.known).await.err();
            assert!(matches!(orphan, Some(CatalogError::NoSuchContent { .. })), "{orphan:?}");
            let select = "SELECT COUNT(*) FROM video_assets WHERE content_id = 8 AND duration = 5";
            assert_eq!(database.number(select).await?, 1);
            assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 1);
        }
        Ok(())
    })
}

/// The result of a search for a video that has no row.
async fn known_none(rows: &MySqlCatalog) -> Outcome<KnownRows> {
    Ok(rows.find_row("s3://films/no-such-video").await?.known)
}

/// Tables with character sets older than utf8mb4. A text that the tables cannot store is a permanent error, and no search or
/// write is sent for it.
#[test]
fn tables_of_other_character_sets_hold_what_they_can() -> Outcome {
    run(async {
        for (set, fits, other) in [("latin1", "1_é", "1_한글"), ("utf8mb3", "1_한글", "1_🎬")] {
            let database = Database::start().await?;
            for table in ["video_assets", "contents"] {
                let convert = format!("ALTER TABLE {table} CONVERT TO CHARACTER SET {set}");
                database.rows(&convert).await?;
            }
            database.rows("INSERT INTO contents (id, title) VALUES (1, 'x')").await?;
            let rows = rows(&settings(&database, &[])?.database)?;
            let (film, one) = (asset(fits, 3).map_err(plain)?, id(1).map_err(plain)?);
            for seconds in [3, 4] {
                rows.write_asset(one, &film.clone().with_duration(seconds), &KnownRows::default()).await?;
            }
            let found = rows.find_content(film.video_url(), one).await?.found.row.ok_or("no row")?;
            assert_eq!((found.thumbnail_url.as_str(), found.duration), (film.thumbnail_url(), 4), "{set}");
            let error = rows.write_asset(one, &asset(other, 3).map_err(plain)?, &KnownRows::default()).await;
            let error = error.err().ok_or("it was written")?;
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{set}: {error}");
            assert!(error.to_string().contains("character set"), "{set}: {error}");
            assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 1, "{set}");
        }
        Ok(())
    })
}

/// Owners may have widened the columns of the ids and of the duration beyond 2³¹.
#[test]
fn numbers_may_be_wider_than_the_seed_s() -> Outcome {
    run(async {
        let database = Database::start().await?;
        let wider = "DROP TABLE video_assets, contents;
            CREATE TABLE contents (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL, description TEXT,
                age_rating VARCHAR(10));
            CREATE TABLE video_assets (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, content_id BIGINT UNSIGNED NOT NULL,
                video_url VARCHAR(1000) NOT NULL, thumbnail_url VARCHAR(1000) NOT NULL, duration BIGINT UNSIGNED NOT NULL,
                FOREIGN KEY (content_id) REFERENCES contents(id))";
        database.rows(wider).await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        let film = asset("film", 7).map_err(plain)?;
        let made = rows.register(&content("film.mp4").map_err(plain)?, &film).await?.id;
        assert_eq!(rows.register(&content("film.mp4").map_err(plain)?, &film).await?.id, made);
        rows.write_asset(made, &film.clone().with_duration(8), &KnownRows::default()).await?;
        assert_eq!(
            rows.find_content(film.video_url(), made).await?.found.row.map(|row| row.duration),
            Some(8)
        );
        let listed = rows.list_rows("", 0, 10).await?;
        assert_eq!(
            (listed.len(), listed[0].video_url.as_str(), listed[0].row.content_id),
            (1, film.video_url(), made)
        );
        assert!(rows.list_rows("", listed[0].id, 10).await?.is_empty());
        Ok(())
    })
}

/// A server that accepts connections and never answers must be reported long before a Lambda invocation of one minute ends.
#[test]
fn a_server_that_does_not_answer_is_told_of_in_time() -> Outcome {
    run(async {
        let database = Database::start().await?;
        let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
        let port = silent.local_addr()?.port().to_string();
        let begun = Instant::now();
        let error = refusal(&database, &[("RDS_PORT", &port)]).await?;
        assert!(error.to_string().contains("Can't connect to MySQL server"), "{error}");
        assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
        Ok(())
    })
}

#[test]
fn a_certificate_for_another_name_is_refused() -> Outcome {
    run(async {
        let database = Database::start_with(true, &["--bind-address=127.0.0.2"]).await?;
        let here = ("DB_HOST", "127.0.0.2");
        let error = refusal(&database, &[here]).await?;
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("not valid for name"), "{error}");
        assert!(error.to_string().contains("DB_SSL_MODE"), "{error}");
        let rows = rows(&settings(&database, &[here, ("DB_SSL_MODE", "verify_ca")])?.database)?;
        assert!(!rows.find_content("s3://films/x", id(1).map_err(plain)?).await?.content_exists);
        Ok(())
    })
}

#[test]
fn the_server_proves_who_it_is() -> Outcome {
    run(async {
        let database = Database::start().await?;
        let other = Database::start_with(true, &[]).await?;
        for mode in ["", "verify_identity", "verify_ca", "required"] {
            let rows = rows(&settings(&database, &[("DB_SSL_MODE", mode)])?.database)?;
            assert!(
                !rows.find_content("s3://films/x", id(1).map_err(plain)?).await?.content_exists,
                "{mode}"
            );
        }
        let ca = other.ca().display().to_string();
        let begun = Instant::now();
        for mode in ["", "verify_ca"] {
            let error = refusal(&database, &[("DB_SSL_MODE", mode), ("DB_SSL_CA", &ca)]).await?;
            assert!(error.to_string().contains("DB_SSL_CA"), "{error}");
            // Neither Amazon's roots nor the public roots have signed the certificate.
            let error = refusal(&database, &[("DB_SSL_MODE", mode), ("DB_SSL_CA", "")]).await?;
            assert!(error.to_string().contains("DB_SSL_CA"), "{error}");
        }
        // The connection is not tried again, because the next attempt would get the same certificate.
        assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
        let plain = Database::start_with(false, &[]).await?;
        let error = refusal(&plain, &[("DB_SSL_CA", "")]).await?;
        assert!(error.to_string().contains("DB_SSL_MODE=disabled"), "{error}");
        let disabled = [("DB_SSL_CA", ""), ("DB_SSL_MODE", "disabled")];
        match Kind::wanted() {
            Kind::MariaDb => {
                let rows = rows(&settings(&plain, &disabled)?.database)?;
                rows.find_row("s3://films/x").await?;
            }
            // MySQL's users log in by a method that sends no password without TLS.
            Kind::MySql => {
                let error = refusal(&plain, &disabled).await?;
                assert_eq!(error.kind(), ErrorKind::Config, "{error}");
                assert!(error.to_string().contains("caching_sha2_password"), "{error}");
            }
        }
        Ok(())
    })
}

/// The TLS certificate is checked against the database's name, also through a bastion.
#[test]
fn a_bastion_leads_to_a_database_that_proves_who_it_is() -> Outcome {
    run(async {
        let mut database = Database::start().await?;
        let mut bastion = sshd::Sshd::start(&[format!("localhost:{}", database.port())])?;
        let keys = tempfile::tempdir()?;
        let key = keys.path().join("user");
        sshd::keygen(&["-t", "ed25519"], &key)?;
        bastion.allow(&keys.path().join("user.pub"))?;
        let (port, host_key) = (bastion.port().to_string(), bastion.host_key("ed25519")?);
        let through = [
            ("DB_HOST", "localhost"),
            ("BASTION_HOST", "127.0.0.1"),
            ("BASTION_PORT", port.as_str()),
            ("BASTION_USER", bastion.user()),
            ("BASTION_SSH_KEY_SECRET", "bastion/key"),
            ("BASTION_HOST_KEY", host_key.as_str()),
        ];
        let mut config = settings(&database, &through)?.database;
        if let Some(bastion) = &mut config.bastion {
            bastion.key = SecretSource::Given(Secret::new(std::fs::read_to_string(&key)?));
        }
        let catalog = rows(&config)?;
        let one = id(1).map_err(plain)?;
        assert!(!catalog.find_content("s3://films/x", one).await?.content_exists);
        // The session ends with its bastion. The next statement waits for the bastion, as for a database, and opens a new session.
        bastion.stop()?;
        let (found, back) = tokio::join!(catalog.find_content("s3://films/x", one), async {
            sleep(Duration::from_millis(700)).await;
            bastion.run()
        });
        back?;
        assert!(!found?.content_exists);
        // The bastion is reachable, and the database behind it is not.
        database.stop()?;
        let (found, back) = tokio::join!(catalog.find_content("s3://films/x", one), async {
            sleep(Duration::from_millis(700)).await;
            database.start_again()
        });
        back?;
        assert!(!found?.content_exists);
        let elsewhere = database.port().checked_add(1).ok_or("no port")?;
        let error = rows(&{
            config.port = elsewhere;
            config
        })?;
        let error = error.find_content("s3://films/x", one).await.err().ok_or("it was let through")?;
        assert!(matches!(error, CatalogError::Tunnel { .. }), "{error}");
        Ok(())
    })
}

#[test]
fn refusals_say_what_to_check_and_no_secret() -> Outcome {
    run(async {
        let mut database = Database::start().await?;
        let cases = [
            (("DB_PASSWORD", "canary wrong"), ErrorKind::Denied, "DB_PASSWORD"),
            (("DB_USER", "nobody"), ErrorKind::Denied, "ott_db"),
            (("DB_NAME", "mysql2"), ErrorKind::Denied, "mysql2"),
            (("RDS_PORT", "9"), ErrorKind::Unavailable, "Can't connect to MySQL server on '127.0.0.1:9'"),
        ];
        for (change, kind, words) in cases {
            let error = refusal(&database, &[change]).await?;
            assert_eq!(error.kind(), kind, "{error}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(words), "{shown}");
            assert!(!shown.contains("canary"), "{shown}");
        }
        database.rows("RENAME TABLE video_assets TO elsewhere").await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        let error = rows.find_row("s3://films/x").await.err().ok_or("no table, no error")?;
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        database.stop()?;
        let error = rows.find_row("s3://films/x").await.err().ok_or("no server, no error")?;
        assert!(error.to_string().contains("Can't connect to MySQL server"), "{error}");
        Ok(())
    })
}

#[test]
fn the_optional_key_refuses_duplicates() -> Outcome {
    run(async {
        let database = Database::start().await?;
        let insert = "INSERT INTO contents (id, title) VALUES (7, 'x'); \
                      INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration) \
                      VALUES (7, 's3://a', 't', 1), (7, 's3://A', 't', 1), (7, 's3://a', 't', 2)";
        database.rows(insert).await?;
        // The query for duplicates in the migration's comment, in the strictest mode of MySQL.
        let migration = optional_migration("unique")?;
        let list = migration.lines().skip_while(|line| !line.starts_with("--   SELECT"));
        let list: String = list.take(2).map(|line| line.trim_start_matches("-- ")).collect();
        let doubles = database.rows(&format!("SET sql_mode = 'ONLY_FULL_GROUP_BY'; {list}")).await?;
        assert_eq!(doubles.len(), 1, "{list}");
        assert_eq!(doubles[0].try_get::<String, _>(2)?, "1,3");
        let refused = database.rows(&migration).await.err().ok_or("doubles were accepted")?;
        assert!(refused.to_string().contains("1062"), "{refused}");
        // A write updates duplicate rows and does not delete them.
        let rows = rows(&settings(&database, &[])?.database)?;
        let film = posterframe::catalog::Asset::new("s3://a", "t2")?.with_duration(9);
        rows.write_asset(id(7).map_err(plain)?, &film, &KnownRows::default()).await?;
        assert_eq!(database.number("SELECT COUNT(*) FROM video_assets WHERE duration = 9").await?, 2);
        database.rows("DELETE FROM video_assets WHERE id = 3").await?;
        // Only the second statement, as the migration's comment says.
        let second = migration.rfind("ALTER TABLE").ok_or("no second statement")?;
        database.rows(&migration[second..]).await?;
        rows.write_asset(id(7).map_err(plain)?, &film.with_duration(10), &KnownRows::default()).await?;
        assert_eq!(database.number("SELECT COUNT(*) FROM video_assets").await?, 2);
        Ok(())
    })
}

/// A search within a content uses the index of the foreign key. Only a search without a content scans the table.
#[test]
fn lookups_use_the_index_there_is() -> Outcome {
    run(async {
        let database = Database::start().await?;
        database.fill(2000).await?;
        database.log_statements().await?;
        let rows = rows(&settings(&database, &[])?.database)?;
        let film = asset("9_x", 5).map_err(plain)?;
        rows.write_asset(id(9).map_err(plain)?, &film, &KnownRows::default()).await?;
        assert_eq!(database.number("SELECT duration FROM video_assets WHERE content_id = 9").await?, 5);
        let log = database.logged()?;
        let explained = |begin: &str| {
            let found =
                log.lines().find_map(|line| line.split_once(begin).map(|(_, rest)| format!("{begin}{rest}")));
            found.ok_or_else(|| format!("no {begin} in {log}"))
        };
        for begin in ["SELECT id, content_id", "SELECT id FROM contents", "UPDATE video_assets"] {
            let (examined, _) = database.explain(&explained(begin)?).await?;
            assert!(examined <= 2, "{begin}: {examined}");
        }
        // With the optional index, a search without a content does not scan the table.
        database.rows(&optional_migration("index")?).await?;
        rows.find_row(film.video_url()).await?;
        let log = database.logged()?;
        let mut searches =
            log.lines().filter_map(|line| line.split_once("SELECT id, content_id")).map(|(_, rest)| rest);
        let search = searches.rfind(|rest| !rest.contains("content_id = ")).ok_or("no search")?;
        let (examined, plan) = database.explain(&format!("SELECT id, content_id{search}")).await?;
        assert_eq!((examined, plan[1].as_str()), (1, "video_url"), "{search}");
        Ok(())
    })
}
