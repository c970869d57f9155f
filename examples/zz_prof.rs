//! x
use posterframe::*;
use std::time::{Duration, Instant};
fn main() {
    let p = std::env::args().nth(1).unwrap();
    for _ in 0..4 {
        let t = Instant::now();
        let mut m = Media::open_file(&p, &OpenOptions::default()).unwrap();
        let a = t.elapsed();
        let t = Instant::now();
        let f = m.poster_frame(Duration::from_secs(5)).unwrap();
        let b = t.elapsed();
        let t = Instant::now();
        let j = f.encode(&Encoding::default()).unwrap();
        let c = t.elapsed();
        println!("open {a:?} frame {b:?} ({} packets) encode {c:?} {}", f.packets_decoded(), j.bytes.len());
    }
}
