//! Every law over every operator (and its variants) × case × backend × precision × adapter, from the one registry.

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Failed, Trial};
use lowrank::internals::laws::{ENGINE_LAWS, Held, LawOutcome, OPERATOR_LAWS, Place};
use lowrank::internals::operators::{ASYMMETRIC_CASES, CASES, Make, REGISTRY, VARIANT_CASES};
use lowrank::operators::Operator;
use lowrank::problem::Domain;
use lowrank::{Backend, Precision};

use crate::common::own_backend;

type Shared = Arc<OnceLock<Box<dyn Operator>>>;

fn held(outcome: LawOutcome) -> Result<(), Failed> {
    match outcome {
        Ok(Held::Holds) => Ok(()),
        Ok(Held::NotApplicable) => Err("the law did not apply: this test checked nothing".into()),
        Err(why) => Err(why.into()),
    }
}

/// The instance, made when the first of its tests runs.
fn instance(shared: &Shared, make: Make, domain: Domain, m: usize) -> &dyn Operator {
    &**shared.get_or_init(|| make(domain, m, 11).expect("a registered operator can be made at every case"))
}

/// What is checked: its name, and how a random and an integer instance are made.
struct Subject {
    name: String,
    random: Make,
    integers: Make,
}

fn add_case(trials: &mut Vec<Trial>, subject: &Subject, domain: Domain, m: usize, places: &[Place]) {
    let (random, integers): (Shared, Shared) = Default::default();
    let stand_in = (subject.integers)(domain, m, 1).expect("a registered operator can be made at every case");
    let (make_random, make_integers) = (subject.random, subject.integers);
    let model = if domain.is_symmetric() { "" } else { "asymmetric " };
    let name = |place: &str, law: &str| format!("{} {model}{domain} m={m}, {place}: {law}", subject.name);
    for law in OPERATOR_LAWS {
        // Five standard errors mean something from a hundred samples on.
        let isotropic = || (subject.random)(domain, m, 1).is_ok_and(|operator| operator.is_isotropic());
        if law.name == "isometry" && (m < 100 || !isotropic()) {
            continue;
        }
        let shared = random.clone();
        trials.push(Trial::test(name("definition", law.name), move || {
            held(law.check(instance(&shared, make_random, domain, m)))
        }));
    }
    for place in places.iter().filter(|place| place.applies_to(&*stand_in)) {
        for law in ENGINE_LAWS.iter().filter(|law| law.concerns(domain)) {
            let exact = law.name == "exact on integers";
            let make = if exact { make_integers } else { make_random };
            let (shared, place) = (if exact { integers.clone() } else { random.clone() }, place.clone());
            trials.push(Trial::test(name(&place.name.clone(), law.name), move || {
                let place = Place { backend: own_backend(&place.backend), ..place };
                held(law.check(instance(&shared, make, domain, m), &place))
            }));
        }
    }
}

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let mut places = Place::host();
    for device in crate::common::devices() {
        places.extend(Place::adapter(&device));
    }
    let mut trials = Vec::new();
    for registration in REGISTRY {
        let name = registration.name;
        let subject = Subject { name: name.into(), random: registration.random, integers: registration.integers };
        // Kernels that are chosen by force, small panels, other runtime checks and double precision run on `dense` at every size;
        // other operators bring them another reader of rows, which some sizes suffice for.
        let plain = |place: &&Place| {
            let (options, single) = (&place.options, place.precision == Precision::F32);
            let single = single && options.panel_bytes.is_none() && options.checks.is_none();
            !matches!(place.backend, Backend::Gpu(_)) || (place.variant.is_none() && single)
        };
        let unforced: Vec<Place> = places.iter().filter(plain).cloned().collect();
        // Other runtime checks change how a kernel is compiled, and hardly with its sizes: one case of each domain, for one operator of
        // each form of data.
        let unchecked: Vec<Place> = places.iter().filter(|place| place.options.checks.is_none()).cloned().collect();
        let at = |some: bool, checks: bool| match (some, checks) {
            (true, true) => &places[..],
            (true, false) => &unchecked[..],
            _ if name == "dense" => &unchecked[..],
            _ => &unforced[..],
        };
        let checked = ["dense", "seeded", "rank_one", "entries", "pauli", "cdp"].contains(&name);
        for &(n, m) in CASES {
            // Signs are made like the numbers of seeded.
            let some = VARIANT_CASES.contains(&(n, m)) && (name != "rademacher" || n == 17);
            if let Some(domain) = (registration.domain)(Domain::symmetric(n)) {
                add_case(&mut trials, &subject, domain, m, at(some, checked && n == 17));
            }
        }
        for &(n1, n2, m) in ASYMMETRIC_CASES {
            if let Some(domain) = (registration.domain)(Domain::rectangular(n1, n2)) {
                add_case(&mut trials, &subject, domain, m, at(n1 == 17, checked && n1 == 17));
            }
        }
        for variant in registration.variants {
            let name = format!("{name} in {}", variant.name);
            let subject = Subject { name, random: variant.random, integers: variant.integers };
            // Rows of complex numbers are rows: what is their own stands around them.
            let complex = variant.name == "complex";
            for &(n, m) in VARIANT_CASES {
                add_case(&mut trials, &subject, Domain::symmetric(n), m, at(!complex || n == 17, false));
            }
            if complex {
                add_case(&mut trials, &subject, Domain::rectangular(17, 16), 131, at(false, false));
            }
        }
    }
    trials.extend(crate::common::missing_adapter("conformance"));
    trials
}
