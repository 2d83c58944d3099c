//! Every law over operators of vectors and of nonzeros on graphics adapters: the kernels that never form a matrix.

use std::sync::{Arc, OnceLock};

use crate::common::own_backend;
use crate::says::assert_says;
use crate::thin::ThinOperator;
use libtest_mimic::{Failed, Trial};
use lowrank::gpu::Device;
use lowrank::internals::engine::Load;
use lowrank::internals::gpu::{Options, load as load_on};
use lowrank::internals::laws::{ENGINE_LAWS, Held, Place};
use lowrank::internals::tape::{Evaluation, Sides};
use lowrank::operators::{Loss, Operator, Storage};
use lowrank::problem::Domain;

type Make = fn(bool) -> ThinOperator;

/// Name, how to make it (of integers or not).
const SUBJECTS: &[(&str, Make)] = &[
    ("vectors 1x1 m=1 q=1", |i| ThinOperator::vectors(Domain::symmetric(1), 1, 1, 1, i)),
    ("vectors 17x17 m=131 q=1", |i| ThinOperator::vectors(Domain::symmetric(17), 131, 1, 2, i)),
    ("vectors 65x65 m=70 q=3", |i| ThinOperator::vectors(Domain::symmetric(65), 70, 3, 3, i)),
    ("vectors 19x70 m=67 q=1", |i| ThinOperator::vectors(Domain::rectangular(19, 70), 67, 1, 4, i)),
    ("vectors 66x5 m=40 q=2", |i| ThinOperator::vectors(Domain::rectangular(66, 5), 40, 2, 5, i)),
    ("vectors 3x3 m=300 q=1, centred", |i| ThinOperator::vectors(Domain::symmetric(3), 300, 1, 6, i).centred()),
    ("vectors 17x17 m=131 q=2 in f64", |i| {
        ThinOperator::vectors(Domain::symmetric(17), 131, 2, 7, i).stored(Storage::F64)
    }),
    ("nonzeros 1x1 m=1", |i| ThinOperator::nonzeros(Domain::symmetric(1), 1, 1, 8, i)),
    ("nonzeros 17x17 m=131", |i| ThinOperator::nonzeros(Domain::symmetric(17), 131, 300, 9, i)),
    ("nonzeros 40x3 m=70", |i| ThinOperator::nonzeros(Domain::rectangular(40, 3), 70, 40, 10, i)),
    ("nonzeros 9x260 m=700, centred", |i| ThinOperator::nonzeros(Domain::rectangular(9, 260), 700, 9, 11, i).centred()),
    ("entries 5x7 m=6000", |_| ThinOperator::entries(Domain::rectangular(5, 7), 6000, 12)),
    ("entries 31x31 m=200", |i| {
        // Ones beside the diagonal of a symmetric matrix are halves in it.
        if i {
            ThinOperator::nonzeros(Domain::symmetric(31), 200, 1, 13, i)
        } else {
            ThinOperator::entries(Domain::symmetric(31), 200, 13)
        }
    }),
];

/// A limit on device memory that the data do not fit, a kernel variant that there is not.
fn refusals(device: &Device) -> Result<(), Failed> {
    let operators = [
        ThinOperator::vectors(Domain::symmetric(17), 40, 1, 1, false),
        ThinOperator::nonzeros(Domain::symmetric(17), 40, 3, 1, false),
    ];
    for operator in operators {
        let operator = Arc::new(operator);
        let load = |variant: Option<&str>, memory_bytes| {
            let program = Evaluation::new(Sides::One, operator.domain(), 2, Loss::Square).program;
            let variant = variant.map(str::to_owned);
            let load = Load { operator: operator.clone(), program, increments: None, batch: 1, variant };
            load_on(device, &load, &Options { memory_bytes, ..Options::default() }).map(drop)
        };
        load(Some("thin"), Some(1 << 20))?;
        load(Some("thin-test/thin"), None)?;
        let memory = load(None, Some(100)).expect_err("too little memory").to_string();
        assert_says(&memory, &["device_memory", "100 bytes", "stream"]);
        let variant = load(Some("tiled"), None).expect_err("no such variant").to_string();
        assert_says(&variant, &["'tiled'", "thin"]);
    }
    Ok(())
}

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let mut trials = Vec::new();
    for device in crate::common::devices() {
        let places: Vec<Place> = Place::adapter(&device).into_iter().filter(|place| place.variant.is_none()).collect();
        for &(name, make) in SUBJECTS {
            let pair: [Arc<OnceLock<ThinOperator>>; 2] = Default::default();
            let domain = make(false).domain();
            for place in &places {
                for law in ENGINE_LAWS.iter().filter(|law| law.concerns(domain)) {
                    let integers = law.name == "exact on integers";
                    // A mean is a quotient, which is not exact.
                    if integers && make(true).is_centred() {
                        continue;
                    }
                    let (shared, place) = (pair[usize::from(integers)].clone(), place.clone());
                    let name = format!("{name}, {}: {}", place.name, law.name);
                    trials.push(Trial::test(name, move || {
                        let place = Place { backend: own_backend(&place.backend), ..place };
                        match law.check(shared.get_or_init(|| make(integers)), &place) {
                            Ok(Held::Holds) => Ok(()),
                            Ok(Held::NotApplicable) => Err("the law did not apply: this test checked nothing".into()),
                            Err(why) => Err(Failed::from(why)),
                        }
                    }));
                }
            }
        }
    }
    if let Some(device) = crate::common::devices().into_iter().next() {
        trials.push(Trial::test("what cannot be is refused by name", move || refusals(&device)));
    }
    trials.extend(crate::common::missing_adapter("thin kernels"));
    trials
}
