//! The log messages of the job, and the only place where their words stand.
//!
//! The Korean messages are those of the replaced Lambda, word for word: its owners' alarms and searches match them. Every
//! value is also a field of its own. Messages that the replaced Lambda did not have are marked as ours.

use std::time::Duration;

use tracing::{error, info, warn};

use crate::Ledger;
use crate::job_error::JobError;
use crate::object_name::{ContentId, SkipReason};

/// The work on an object begins.
pub fn started(key: &str) {
    info!(key, "영상 처리 시작: {key}");
}

/// The object can be read. Nothing is downloaded any more; `size` is the object's size, as it was.
pub fn readable(key: &str, size: u64) {
    let megabytes = megabytes(size);
    info!(key, size, "영상 다운로드 완료: {size} bytes ({megabytes} MB)");
}

/// The duration is known, in whole seconds as it is stored.
pub fn duration(key: &str, duration: u32) {
    info!(key, duration, "영상 duration 추출 완료: {duration}초");
}

/// Ours: the container does not tell its duration, and 0 is stored.
pub fn no_duration(key: &str) {
    warn!(key, "영상 duration 알 수 없음, 0초로 저장: {key}");
}

/// Ours: people chose the time of this video's frame.
pub fn chosen(key: &str, time: &str, by: &str) {
    info!(key, time, by, "썸네일 시각 지정: {time} ({by})");
}

/// Ours: what chooses the time of the frame is no time, and the setting's is taken.
#[cfg(feature = "s3")]
pub fn no_choice(key: &str, by: &str, reason: &str) {
    warn!(key, by, reason, "썸네일 시각 지정 무시: {key} ({by}: {reason})");
}

/// The thumbnail is made, and has this many bytes.
pub fn thumbnail(key: &str, size: usize) {
    info!(key, size, "썸네일 추출 완료: {size} bytes");
}

/// Ours: what reading the video has cost.
pub fn read(key: &str, ledger: &Ledger) {
    let Ledger { requests, round_trips, bytes_fetched, bytes_used, cache_hits, waiting } = *ledger;
    let waiting_ms = u64::try_from(waiting.as_millis()).unwrap_or(u64::MAX);
    info!(
        key,
        requests,
        round_trips,
        bytes_fetched,
        bytes_used,
        cache_hits,
        waiting_ms,
        "영상 읽기 완료: {bytes_fetched} bytes ({requests}회 요청, {round_trips}회 왕복, 대기 {waiting_ms} ms)"
    );
}

/// The row of the video is written.
pub fn asset_written(key: &str, id: ContentId) {
    info!(key, content_id = id.get(), "video_assets 테이블에 등록 완료 (content_id: {id})");
}

/// The object is done.
pub fn done(key: &str, id: ContentId) {
    info!(key, content_id = id.get(), "성공: {key} 등록 완료 (content_id: {id})");
}

/// Ours: the object had been done before, and nothing about it has changed.
pub fn unchanged(key: &str, id: ContentId) {
    info!(key, content_id = id.get(), "변경 없음: {key} (content_id: {id})");
}

/// Ours: the object is none of the job's.
pub fn skipped(key: &str, reason: &SkipReason) {
    let reason = reason.to_string();
    info!(key, reason, "건너뜀: {key} ({reason})");
}

/// Ours: the video was replaced during the work, which starts over.
pub fn starting_over(key: &str) {
    warn!(key, "처리 중 영상이 교체되어 다시 시작: {key}");
}

/// The catalogue's API is asked to write a content.
pub fn upsert_started(url: &str, id: ContentId) {
    info!(url, content_id = id.get(), "FastAPI upsert 호출 시작: {url}");
}

/// The catalogue's API has written it.
pub fn upsert_done(id: ContentId, title: &str) {
    info!(content_id = id.get(), title, "FastAPI upsert 성공: content_id={id}, title={title}");
}

/// Ours: a call of the API failed, and is made again after a pause.
pub fn upsert_retried(id: ContentId, attempt: u32, pause: Duration, reason: &str) {
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    warn!(
        content_id = id.get(),
        attempt, pause_ms, reason, "FastAPI upsert 재시도: {pause_ms} ms 후 ({attempt}회 실패, {reason})"
    );
}

/// Ours: a content has an id that leaves few to those that the database numbers itself.
pub fn few_ids_left(id: ContentId) {
    let id = id.get();
    warn!(
        content_id = id,
        "content_id {id}: AUTO_INCREMENT의 끝({})에 가까움. 이보다 높은 번호만 새 콘텐츠에 쓸 수 있음",
        ContentId::MAX
    );
}

/// Ours: what an invocation is about.
pub fn event(source: &str, records: usize) {
    info!(source, records, "이벤트 수신: {source} ({records}건)");
}

/// Ours: there is no such object any more.
pub fn missing(key: &str) {
    warn!(key, "건너뜀: {key} (객체 없음)");
}

/// Ours: one object has failed.
pub fn failed(key: &str, error: &JobError) {
    let (kind, permanent) = (error.kind().as_str(), !error.is_retryable());
    error!(key, kind, permanent, "실패: {error}");
}

/// Ours: there was no time to begin with an object.
pub fn unstarted(key: &str) {
    error!(key, "시간 부족으로 시작하지 않음: {key}");
}

/// Ours: the work on an object has panicked.
pub fn panicked(message: &str) {
    error!(reason = message, "처리 중 패닉 발생");
}

/// Ours: the invocation is a function error. An error of its own, unless the errors that it sums up are in the log already.
pub fn invocation_failed(kind: &str, reason: &str, is_logged: bool) {
    match is_logged {
        true => warn!(kind, "호출 실패: {reason}"),
        false => error!(kind, "호출 실패: {reason}"),
    }
}

/// Ours: the settings cannot be used; every invocation fails with this.
pub fn broken(error: &JobError) {
    let kind = error.kind().as_str();
    error!(kind, "설정 오류: {error}");
}

/// Ours: variables of the replaced Lambda that mean nothing any more. One line for all.
pub fn obsolete(variables: &[&str]) {
    if !variables.is_empty() {
        let variables = variables.join(", ");
        info!(variables, "{variables}: 더 이상 필요하지 않음 (FFmpeg는 프로그램에 포함됨)");
    }
}

/// Ours: what the job would have made has been compared with what is there, and nothing was written.
pub fn compared(key: &str, findings: &[String], psnr_db: Option<f64>) {
    if findings.is_empty() {
        info!(key, psnr_db, "비교 완료, 일치: {key}");
    } else {
        let findings = findings.join("; ");
        warn!(key, psnr_db, findings, "비교 완료, 차이 있음: {key} ({findings})");
    }
}

/// Mebibytes with two decimals.
fn megabytes(bytes: u64) -> String {
    let hundredths = (u128::from(bytes) * 100 + (1 << 19)) >> 20;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabytes_are_rounded() {
        assert_eq!(megabytes(0), "0.00");
        assert_eq!(megabytes(1 << 20), "1.00");
        assert_eq!(megabytes(15_728_640), "15.00");
        assert_eq!(megabytes(123_456), "0.12");
        assert_eq!(megabytes(u64::MAX), "17592186044416.00");
    }
}
