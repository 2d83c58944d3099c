//! The Gpu backend through the command line, on whatever adapter there is.

use std::io::Write;

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
}
