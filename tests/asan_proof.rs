//! Makes deliberate mistakes across the border between Rust and libav, which AddressSanitizer must report. `make asan` runs this program
//! once for each mistake, and fails if a mistake is not reported: a sanitizer that is not active reports nothing either.
//!
//! The program has no test harness, and cargo does not run it with the other tests.
#![expect(unsafe_code, reason = "the mistakes are unsafe ones")]
#![expect(clippy::disallowed_methods, clippy::print_stderr, reason = "a program of its own")]

use std::ffi::c_void;
use std::hint::black_box;
use std::process::ExitCode;

use ffmpeg_sys_next::{av_adler32_update, av_free, av_malloc};

/// libav reads past the end of Rust's memory.
fn overflow() -> u32 {
    let bytes = vec![1_u8; 64];
    // SAFETY: none. The buffer has 64 bytes, and libav is told 65. The sanitizer's report must name libav's function.
    unsafe { av_adler32_update(1, bytes.as_ptr(), 65) }
}

/// Rust reads memory that libav has freed.
fn use_after_free() -> u32 {
    // SAFETY: any size is allowed. The result may be null, and is not checked.
    let memory = unsafe { av_malloc(64) }.cast::<u8>();
    // SAFETY: the pointer came from `av_malloc`.
    unsafe { av_free(memory.cast::<c_void>()) };
    // SAFETY: none. The memory has been freed.
    unsafe { black_box(memory).read() }.into()
}

/// Memory from libav that nobody frees.
fn leak() -> u32 {
    // SAFETY: any size is allowed.
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
    // The program ends here only if the sanitizer reported nothing.
    ExitCode::from(u8::from(black_box(result) == u32::MAX))
}
