//! Measures the longest chain of requests of a whole job. S3, database and API are behind one delay, and the time grows with it.

#[path = "common/catalogue_api.rs"]
mod catalogue_api;
mod common;
#[path = "common/far_proxy.rs"]
mod far_proxy;
#[path = "common/films.rs"]
mod films;
#[path = "common/matroska.rs"]
mod matroska;
#[path = "common/ports.rs"]
mod ports;
#[path = "common/programs.rs"]
mod programs;
#[path = "common/servers.rs"]
mod servers;
#[path = "common/world.rs"]
mod world;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use far_proxy::FarProxy;
use films::{Container, Film};
use programs::Outcome;
use programs::runtime_api::Lambda;
use serde_json::{Value, json};
use servers::s3_server::BUCKET;
use world::{FUNCTION, World, event, run};

/// Delays of each server in milliseconds. They are long enough that the processing in a debug build, which runs meanwhile, does not count.
const DELAYS: [u32; 3] = [80, 240, 160];
/// The number of videos for each delay. The fastest one counts, because other load on the machine only adds time.
const VIDEOS: usize = 4;
const VIDEOS_BESIDE_OTHERS: usize = 3;
/// The maximum difference between a measured slope and the number of round trips, when nothing else runs. `make round-trips` enforces
/// it. Beside other tests, the measured times are less reliable, and the tests rely on the counts.
const SLACK: f64 = 0.5;
const SLACK_BESIDE_OTHERS: f64 = 5.0;

/// Only one test runs at a time, because the tests measure times.
static ALONE: Mutex<()> = Mutex::new(());

/// S3, database and API, each behind a proxy, and a function that knows only the proxies.
struct Far {
    world: World,
    proxies: [FarProxy; 3],
    function: Lambda,
    film: Vec<u8>,
}

impl Far {
    async fn start() -> Outcome<Self> {
        let world = World::new().await?;
        let mut settings = world.settings();
        let endpoint = settings.iter().find(|(name, _)| *name == "AWS_ENDPOINT_URL").ok_or("no endpoint")?;
        let s3_port = endpoint.1.rsplit(':').next().unwrap_or_default().trim_end_matches('/').parse()?;
        let [s3, database, api] = [s3_port, world.database.port(), world.api.port()];
        let proxies = [FarProxy::start(s3)?, FarProxy::start(database)?, FarProxy::start(api)?];
        let moved = [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", proxies[0].port())),
            ("RDS_PORT", proxies[1].port().to_string()),
            ("CATALOG_API_BASE", format!("http://127.0.0.1:{}/api", proxies[2].port())),
        ];
        settings.retain(|(name, _)| moved.iter().all(|(moved, _)| name != moved));
        settings.extend(moved);
        let function = Lambda::start(FUNCTION, &settings)?;
        // 8 MB. The picture at 5 s is about 1 MB behind the first reads.
        let film = Film::new(10, [200_000, 20_000])?.in_container(Container::Mp4);
        Ok(Self { world, proxies, function, film })
    }

    fn put(&self, key: &str) -> Outcome {
        self.world.s3.put(key, &self.film)
    }

    fn set_delay(&self, milliseconds: u32) {
        for proxy in &self.proxies {
            proxy.set_delay(Duration::from_millis(milliseconds.into()));
        }
    }

    fn connections(&self) -> [u64; 3] {
        [0, 1, 2].map(|index: usize| self.proxies[index].connections())
    }

    /// Runs a job, and returns its report.
    fn invoke(&mut self, event: &Value) -> Outcome<Value> {
        Ok(self.function.invoke(event)?.response()?["results"][0].take())
    }

    /// Returns how the shortest time of jobs grows with the delay. Only jobs that report `trips` round trips count.
    fn slope(
        &mut self,
        trips: u64,
        mut job: impl FnMut(&mut Self, u32, usize) -> Outcome<Value>,
    ) -> Outcome<f64> {
        let mut points = Vec::new();
        let videos = if is_alone() { VIDEOS } else { VIDEOS_BESIDE_OTHERS };
        let delays = if is_alone() { &DELAYS[..] } else { &DELAYS[..2] };
        for &delay in delays {
            self.set_delay(delay);
            let mut times = Vec::new();
            let mut numbers = 0..4 * VIDEOS;
            while times.len() < videos {
                let number = numbers.next().ok_or("most jobs take more round trips")?;
                let report = job(self, delay, number)?;
                // On a busy machine, a job may check the video's version too early and check again. Such a job is not counted.
                if report["job_round_trips"] == trips {
                    times.push(report["elapsed_ms"].as_f64().ok_or_else(|| format!("no time: {report}"))?);
                }
            }
            let quickest = times.into_iter().min_by(f64::total_cmp).ok_or("no times")?;
            points.push((f64::from(delay), quickest));
        }
        self.set_delay(0);
        Ok(slope(&points))
    }
}

/// Whether nothing else runs on the machine.
#[expect(clippy::disallowed_methods, reason = "a test's setting")]
fn is_alone() -> bool {
    std::env::var_os("ROUND_TRIPS_ALONE").is_some()
}

fn slack() -> f64 {
    if is_alone() { SLACK } else { SLACK_BESIDE_OTHERS }
}

/// The slope of the least-squares line through the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let along: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    along / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

fn upload(key: &str, size: usize) -> Value {
    json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "size": size}}}]})
}

#[test]
fn a_new_video_takes_seven_round_trips_and_an_event_that_comes_again_one() -> Outcome {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    run(async {
        let mut far = Far::start().await?;
        // These jobs open the connections, fetch the credentials, and do the one-time work of a debug build.
        for number in 0..2 {
            let key = format!("videos/{}_warm.mp4", 900 + number);
            far.put(&key)?;
            let report = far.invoke(&upload(&key, far.film.len()))?;
            assert_eq!(report["status"], "processed", "{report}");
        }
        let connections = far.connections();
        let new = far.slope(7, |far, delay, number| {
            let key = format!("videos/{}_film.mp4", 1 + delay as usize * 10 + number);
            far.put(&key)?;
            let report = far.invoke(&upload(&key, far.film.len()))?;
            assert_eq!(report["status"], "processed", "{report}");
            assert_eq!(report["round_trips"], 2, "{report}");
            Ok(report)
        })?;
        let after_new = far.connections();
        let again = far.slope(1, |far, delay, number| {
            let key = format!("videos/{}_film.mp4", 1 + delay as usize * 10 + number);
            let report = far.invoke(&upload(&key, far.film.len()))?;
            assert_eq!(
                (&report["status"], &report["job_round_trips"]),
                (&json!("unchanged"), &json!(1)),
                "{report}"
            );
            let bytes = report["bytes_fetched"].as_u64().ok_or("no bytes")?;
            assert!(bytes <= 64 << 10, "{report}");
            Ok(report)
        })?;
        assert!((new - 7.0).abs() <= slack(), "a new video: {new:.2} round trips");
        assert!((again - 1.0).abs() <= slack(), "the same event: {again:.2} round trips");
        // A warm job opens no connection. A repeated event cancels the bodies of its first reads, and closes their connections to S3.
        assert_eq!(after_new, connections);
        assert_eq!(far.connections()[1..], connections[1..]);
        Ok(())
    })
}

/// A `moov` that is longer than the first reads takes one more round trip.
#[test]
fn a_long_moov_takes_one_round_trip_more() -> Outcome {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    run(async {
        let mut far = Far::start().await?;
        far.film = films::with_longer_moov(far.film, 2 << 20)?;
        for number in 0..2 {
            let key = format!("videos/{}_warm.mp4", 900 + number);
            far.put(&key)?;
            assert_eq!(far.invoke(&upload(&key, far.film.len()))?["status"], "processed");
        }
        let connections = far.connections();
        let new = far.slope(8, |far, delay, number| {
            let key = format!("videos/{}_film.mp4", 1 + delay as usize * 10 + number);
            far.put(&key)?;
            let report = far.invoke(&upload(&key, far.film.len()))?;
            assert_eq!(
                (&report["status"], &report["round_trips"]),
                (&json!("processed"), &json!(3)),
                "{report}"
            );
            Ok(report)
        })?;
        assert!((new - 8.0).abs() <= slack(), "a new video: {new:.2} round trips");
        assert_eq!(far.connections(), connections);
        Ok(())
    })
}

#[test]
fn a_name_without_an_id_takes_one_round_trip_more() -> Outcome {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    run(async {
        let mut far = Far::start().await?;
        for name in ["warm", "my_movie"] {
            let key = format!("videos/{name}.mp4");
            far.put(&key)?;
            assert_eq!(far.invoke(&upload(&key, far.film.len()))?["status"], "processed");
        }
        let connections = far.connections();
        let new = far.slope(8, |far, delay, number| {
            let key = format!("videos/film_{delay}_{number}.mp4");
            far.put(&key)?;
            let report = far.invoke(&upload(&key, far.film.len()))?;
            assert_eq!(report["status"], "processed", "{report}");
            Ok(report)
        })?;
        assert!((new - 8.0).abs() <= slack(), "a new video: {new:.2} round trips");
        assert_eq!(far.connections(), connections);
        let again = far.slope(2, |far, _, _| {
            let report = far.invoke(&event(&["videos/my_movie.mp4"]))?;
            assert_eq!(
                (&report["status"], &report["job_round_trips"]),
                (&json!("unchanged"), &json!(2)),
                "{report}"
            );
            Ok(report)
        })?;
        assert!((again - 2.0).abs() <= slack(), "the same event: {again:.2} round trips");
        Ok(())
    })
}

#[test]
fn a_back_fill_of_what_is_done_reads_no_byte() -> Outcome {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    run(async {
        let mut far = Far::start().await?;
        far.put("videos/1_film.mp4")?;
        far.invoke(&event(&["videos/1_film.mp4"]))?;
        let seen = far.world.s3.faults.seen().len();
        let batch = json!({
            "invocationSchemaVersion": "1.0", "invocationId": "i", "job": {"id": "j"},
            "tasks": [{"taskId": "t", "s3Key": "videos/1_film.mp4", "s3VersionId": null,
                "s3BucketArn": format!("arn:aws:s3:::{BUCKET}")}],
        });
        let answer = far.function.invoke(&batch)?.response()?;
        assert_eq!(answer["results"][0]["resultCode"], "Succeeded", "{answer}");
        let seen = far.world.s3.faults.seen().split_off(seen);
        assert!(!seen.is_empty() && seen.iter().all(|seen| seen.method == "HEAD"), "{seen:?}");
        Ok(())
    })
}
