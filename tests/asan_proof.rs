//! Mistakes on purpose, each across the border between Rust and libav, which AddressSanitizer has to report: `make asan` runs this
//! program once for each, and fails if it does not. A sanitizer that is not there finds nothing either.
//!
//! It has no test harness, and is not among the tests that cargo runs by itself.
#![expect(unsafe_code, reason = "the mistakes are unsafe ones")]
#![expect(clippy::disallowed_methods, clippy::print_stderr, reason = "a program of its own")]

use std::ffi::c_void;
use std::hint::black_box;
use std::process::ExitCode;

use ffmpeg_sys_next::{av_adler32_update, av_free, av_malloc};

/// libav reads behind the end of Rust's memory.
fn overflow() -> u32 {
    let bytes = vec![1_u8; 64];
    // SAFETY: none. The buffer has 64 bytes and libav is told 65: the report has to name its function.
    unsafe { av_adler32_update(1, bytes.as_ptr(), 65) }
}

/// Rust reads what libav has freed.
fn use_after_free() -> u32 {
    // SAFETY: any size may be asked for; the answer may be null, and is not looked at.
    let memory = unsafe { av_malloc(64) }.cast::<u8>();
    // SAFETY: it came from `av_malloc`.
    unsafe { av_free(memory.cast::<c_void>()) };
    // SAFETY: none. The memory is gone.
    unsafe { black_box(memory).read() }.into()
}

/// Memory of libav that nobody frees.
fn leak() -> u32 {
    // SAFETY: any size may be asked for.
    let memory = unsafe { av_malloc(4242) };
    u32::from(black_box(memory).is_null())
}

fn main() -> ExitCode {
    let mistake = std::env::args().nth(1).unwrap_or_default();
    let result = match mistake.as_str() {
        "overflow" => overflow(),
        "use-after-free" => use_after_free(),
        "leak" => leak(),
        _ => {
            eprintln!("asan_proof: '{mistake}' is none of overflow, use-after-free, leak");
            return ExitCode::from(2);
        }
    };
    // Where nothing was reported, this is the end.
    ExitCode::from(u8::from(black_box(result) == u32::MAX))
}
