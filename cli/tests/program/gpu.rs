//! The Gpu backend through the command line, on whatever adapter there is.

use std::io::Write;

use crate::says::says;
use crate::{Dir, N, distance, product};

#[test]
fn a_run_on_an_adapter_agrees_with_the_reference() {
    let dir = Dir::with_problem();
    if !dir.run(&["list", "devices"]).done().stdout.lines().any(|line| line.starts_with("gpu")) {
        let required = std::env::var("LOWRANK_REQUIRE_GPU").is_ok_and(|value| value == "1");
        assert!(!required, "LOWRANK_REQUIRE_GPU=1 and no adapter: install a Vulkan driver");
        // The harness swallows what println! prints in a test that passes, but not this.
        let _ = writeln!(std::io::stderr(), "\n*** IGNORED: no GPU adapter, the Gpu backend was not run ***");
        return;
    }
    let run = |backend: &str| {
        let text = format!(
            "solve --matrices A.npy --observations y.npy --search-rank 4 --init-scale 0.01 --step-size 0.2 --seed 1,2 \
             --max-iterations 60 --out f.npz --report run.json --backend {backend}"
        );
        dir.run(&text.split_whitespace().collect::<Vec<_>>()).done();
        product(&dir.factors("f.npz").1[..4 * N], N, 4)
    };
    let oracle = run("reference");
    assert!(distance(&run("gpu"), &oracle) < 1e-4);
    let environment = &dir.json("run.json")["environment"];
    assert_eq!((&environment["backend"], &environment["precision"]), (&"gpu".into(), &"f32".into()));
    assert!(!environment["adapter"].as_str().unwrap().is_empty());
    if lowrank::gpu::list_adapters()[0].double_precision {
        let twice = run("gpu --precision f64 --storage f64");
        assert!(distance(&twice, &oracle) < 1e-9);
        let environment = &dir.json("run.json")["environment"];
        assert_eq!((&environment["precision"], &environment["storage"]), (&"f64".into(), &"f64".into()));
    } else {
        crate::refusals::refused(
            &dir,
            "solve --matrices A.npy --observations y.npy --backend gpu --precision f64 --out new.npz",
            &["precision f64", "cpu"],
        );
    }
    assert!(distance(&run("gpu --storage f16"), &oracle) < 1e-2);
    assert_eq!(dir.json("run.json")["environment"]["storage"], "f16");
    // Streamed, with the same bits.
    run("gpu --variant two-kernel");
    let whole = dir.factors("f.npz");
    run("gpu --variant two-kernel --device-memory 16Ki");
    assert_eq!(dir.factors("f.npz"), whole);
    let report = dir.json("run.json");
    let (environment, memory) = (&report["environment"], &report["memory"]);
    assert!(environment["streamed_panels"].as_u64().unwrap() > 0, "{environment}");
    assert!(environment["streamed_bytes_per_iteration"].as_u64().unwrap() > 0, "{environment}");
    assert!((1..=16_384).contains(&memory["device_bytes"].as_u64().unwrap()), "{memory}");
    assert!(memory["file_bytes"].as_u64() == Some(120 * 55 * 4) && memory["host_bytes"].as_u64() > Some(0), "{memory}");
    let notices = report["notices"].as_array().unwrap();
    let streamed = |text: &str| says(text, "device_memory") && says(text, "16.4 kB");
    assert!(notices.iter().any(|notice| streamed(notice.as_str().unwrap())), "{notices:?}");
    let solve = "solve --matrices A.npy --observations y.npy --backend gpu --out new.npz --device-memory";
    crate::refusals::refused(&dir, &format!("{solve} 1K"), &["--device-memory", "1.0 kB", "bytes"]);
}
