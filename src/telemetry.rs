//! The log messages of the job, and the only place that contains their texts.
//!
//! The Korean messages are those of the replaced Lambda, word for word: its owners' alarms and searches match them. Commands log
//! the English messages unless `LOG_FORMAT` is set. Every value is also a separate field. A message that the replaced
//! Lambda did not have is marked as ours.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{error, info, warn};

use crate::Ledger;
use crate::job_error::JobError;
use crate::object_name::{ContentId, SkipReason};

/// Whether messages are in English.
static IS_ENGLISH: AtomicBool = AtomicBool::new(false);

/// Logs in English from now on, in the whole process.
#[cfg(feature = "cli")]
pub(crate) fn use_english() {
    IS_ENGLISH.store(true, Ordering::Relaxed);
}

/// Logs an event with these fields, and one of two messages.
macro_rules! log {
    ($level:ident, {$($field:tt)*}, $korean:literal, $english:literal) => {
        match IS_ENGLISH.load(Ordering::Relaxed) {
            false => $level!($($field)*, $korean),
            true => $level!($($field)*, $english),
        }
    };
}

/// The job starts to process an object.
pub fn started(key: &str) {
    log!(info, { key }, "영상 처리 시작: {key}", "Processing {key}");
}

/// The object can be read. Nothing is downloaded any more; `size` is the size of the object, as in the replaced Lambda's message.
pub fn readable(key: &str, size: u64) {
    let megabytes = megabytes(size);
    log!(
        info,
        {key, size},
        "영상 다운로드 완료: {size} bytes ({megabytes} MB)",
        "Opened the video: {size} bytes ({megabytes} MiB)"
    );
}

/// The duration is known: whole seconds, as the catalogue stores them.
pub fn duration(key: &str, duration: u32) {
    log!(info, {key, duration}, "영상 duration 추출 완료: {duration}초", "Duration: {duration} s");
}

/// Ours: the container reports no duration, and the catalogue gets 0.
pub fn no_duration(key: &str) {
    log!(
        warn,
        { key },
        "영상 duration 알 수 없음, 0초로 저장: {key}",
        "{key} reports no duration; 0 s is stored"
    );
}

/// Ours: a person chose the time of this video's frame.
pub fn chosen(key: &str, time: &str, by: &str) {
    log!(info, {key, time, by}, "썸네일 시각 지정: {time} ({by})", "Frame chosen at {time} (by {by})");
}

/// Ours: the chosen time cannot be parsed, and the time of the settings applies.
#[cfg(feature = "s3")]
pub fn no_choice(key: &str, by: &str, reason: &str) {
    log!(
        warn,
        {key, by, reason},
        "썸네일 시각 지정 무시: {key} ({by}: {reason})",
        "{key}: the chosen time is ignored ({by}: {reason})"
    );
}

/// The thumbnail is encoded; `size` is its length in bytes.
pub fn thumbnail(key: &str, size: usize) {
    log!(info, {key, size}, "썸네일 추출 완료: {size} bytes", "Encoded the thumbnail: {size} bytes");
}

/// Ours: the cost of reading the video.
pub fn read(key: &str, ledger: &Ledger) {
    let Ledger { requests, round_trips, bytes_fetched, bytes_used, cache_hits, waiting } = *ledger;
    let waiting_ms = u64::try_from(waiting.as_millis()).unwrap_or(u64::MAX);
    log!(
        info,
        {key, requests, round_trips, bytes_fetched, bytes_used, cache_hits, waiting_ms},
        "영상 읽기 완료: {bytes_fetched} bytes ({requests}회 요청, {round_trips}회 왕복, 대기 {waiting_ms} ms)",
        "Read the video: {bytes_fetched} bytes in {requests} requests and {round_trips} round trips, {waiting_ms} ms of waiting"
    );
}

/// Ours: the storyboard is written; `size` is the length of all sheets in bytes.
pub fn storyboard(key: &str, tiles: usize, sheets: usize, size: u64) {
    log!(
        info,
        {key, tiles, sheets, size},
        "스토리보드 저장 완료: {key} (타일 {tiles}개, 시트 {sheets}개, {size} bytes)",
        "Wrote the storyboard of {key}: {tiles} tiles on {sheets} sheets, {size} bytes"
    );
}

/// Ours: this video cannot have a storyboard. The thumbnail and the row are written.
pub fn no_storyboard(key: &str, error: &JobError) {
    let kind = error.kind().as_str();
    log!(
        warn,
        {key, kind},
        "스토리보드를 만들 수 없음: {key} ({error})",
        "{key} cannot have a storyboard: {error}"
    );
}

/// The row of the video is written.
pub fn asset_written(key: &str, id: ContentId) {
    log!(
        info,
        {key, content_id = id.get()},
        "video_assets 테이블에 등록 완료 (content_id: {id})",
        "Wrote the row to video_assets (content_id: {id})"
    );
}

/// The object is processed.
pub fn done(key: &str, id: ContentId) {
    log!(
        info,
        {key, content_id = id.get()},
        "성공: {key} 등록 완료 (content_id: {id})",
        "Processed {key} (content_id: {id})"
    );
}

/// Ours: the object was processed before and has not changed.
pub fn unchanged(key: &str, id: ContentId) {
    log!(
        info,
        {key, content_id = id.get()},
        "변경 없음: {key} (content_id: {id})",
        "{key} is unchanged (content_id: {id})"
    );
}

/// Ours: the job does not process this object.
pub fn skipped(key: &str, reason: &SkipReason) {
    let reason = reason.to_string();
    log!(info, {key, reason}, "건너뜀: {key} ({reason})", "Skipped {key} ({reason})");
}

/// Ours: the video was replaced while it was processed, and the job starts over.
pub fn starting_over(key: &str) {
    log!(
        warn,
        { key },
        "처리 중 영상이 교체되어 다시 시작: {key}",
        "{key} was replaced while it was processed; starting over"
    );
}

/// Ours: the video, its chosen time or its thumbnail was changed while the video was processed, and the job starts over.
pub fn changed_meanwhile(key: &str) {
    log!(
        warn,
        { key },
        "처리 중 영상이나 썸네일이 바뀌어 다시 시작: {key}",
        "{key} or its thumbnail was changed while it was processed; starting over"
    );
}

/// The job sends a content to the catalogue's API.
pub fn upsert_started(url: &str, id: ContentId) {
    log!(
        info,
        {url, content_id = id.get()},
        "FastAPI upsert 호출 시작: {url}",
        "Writing the content through the API: {url}"
    );
}

/// The catalogue's API has written the content.
pub fn upsert_done(id: ContentId, title: &str) {
    log!(
        info,
        {content_id = id.get(), title},
        "FastAPI upsert 성공: content_id={id}, title={title}",
        "Wrote the content: content_id={id}, title={title}"
    );
}

/// Ours: a call of the API failed; the job retries it after `pause`.
pub fn upsert_retried(id: ContentId, attempt: u32, pause: Duration, reason: &str) {
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    log!(
        warn,
        {content_id = id.get(), attempt, pause_ms, reason},
        "FastAPI upsert 재시도: {pause_ms} ms 후 ({attempt}회 실패, {reason})",
        "The API call failed {attempt} times; retrying in {pause_ms} ms ({reason})"
    );
}

/// Ours: the id of a content leaves few ids to the database's own numbering.
pub fn few_ids_left(id: ContentId) {
    let (id, last) = (id.get(), ContentId::MAX);
    log!(
        warn,
        { content_id = id },
        "content_id {id}: AUTO_INCREMENT의 끝({last})에 가까움. 이보다 높은 번호만 새 콘텐츠에 쓸 수 있음",
        "content_id {id} is near the end of AUTO_INCREMENT ({last}): only higher numbers are left for new contents"
    );
}

/// Ours: an invocation received an event with this many records.
pub fn event(source: &str, records: usize) {
    log!(
        info,
        {source, records},
        "이벤트 수신: {source} ({records}건)",
        "Received an event: {source} ({records} records)"
    );
}

/// Ours: the object does not exist any more.
pub fn missing(key: &str) {
    log!(warn, { key }, "건너뜀: {key} (객체 없음)", "Skipped {key} (the object does not exist)");
}

/// Ours: one object has failed.
pub fn failed(key: &str, error: &JobError) {
    let (kind, permanent) = (error.kind().as_str(), !error.is_retryable());
    log!(error, {key, kind, permanent}, "실패: {error}", "Failed: {error}");
}

/// Ours: no time was left to start an object.
pub fn unstarted(key: &str) {
    log!(error, { key }, "시간 부족으로 시작하지 않음: {key}", "Not started for lack of time: {key}");
}

/// Ours: a panic ended the processing of an object.
pub fn panicked(message: &str) {
    log!(error, { reason = message }, "처리 중 패닉 발생", "A panic ended the processing of an object");
}

/// Ours: the invocation ends as a function error. It is logged as a warning when the log contains the underlying errors already.
pub fn invocation_failed(kind: &str, reason: &str, is_logged: bool) {
    match is_logged {
        true => log!(warn, { kind }, "호출 실패: {reason}", "The invocation failed: {reason}"),
        false => log!(error, { kind }, "호출 실패: {reason}", "The invocation failed: {reason}"),
    }
}

/// Ours: the settings cannot be used; every invocation fails with this.
pub fn broken(error: &JobError) {
    let kind = error.kind().as_str();
    log!(error, { kind }, "설정 오류: {error}", "The settings cannot be used: {error}");
}

/// Ours: variables of the replaced Lambda that have no effect any more, in one line.
pub fn obsolete(variables: &[&str]) {
    if !variables.is_empty() {
        let variables = variables.join(", ");
        log!(
            info,
            { variables },
            "{variables}: 더 이상 필요하지 않음 (FFmpeg는 프로그램에 포함됨)",
            "{variables}: no longer needed (FFmpeg is part of the program)"
        );
    }
}

/// Ours: shadow mode compared what the job would write with what exists. Nothing was written.
pub fn compared(key: &str, findings: &[String], psnr_db: Option<f64>) {
    if findings.is_empty() {
        log!(info, {key, psnr_db}, "비교 완료, 일치: {key}", "Compared {key}: equal");
    } else {
        let findings = findings.join("; ");
        log!(
            warn,
            {key, psnr_db, findings},
            "비교 완료, 차이 있음: {key} ({findings})",
            "Compared {key}: different ({findings})"
        );
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
