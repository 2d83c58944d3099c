//! Keywords as the library's requests. A keyword that is `None` or left out has the library's default.

use std::str::FromStr;

use lowrank::Error;
use lowrank::internals::options::Request;
use lowrank::internals::requests::{default_text, help, options};
use lowrank::methods::METHODS;
use lowrank::options::{OptionCard, OptionKind, Usual};
use lowrank_studies::sweep::OPTIONS;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use crate::errors::{invalid, keywords, raised};

/// The value of a word.
pub fn parsed<T: FromStr<Err = Error>>(text: &str) -> PyResult<T> {
    text.parse().map_err(raised)
}

/// A number or a word as the library reads it.
fn scalar(value: &Bound<'_, PyAny>) -> Option<String> {
    if value.is_instance_of::<PyString>() {
        return value.extract().ok();
    }
    if let Ok(truth) = value.cast::<PyBool>() {
        return Some(truth.is_true().to_string());
    }
    let whole =
        value.extract::<u64>().map(|v| v.to_string()).or_else(|_| value.extract::<i64>().map(|v| v.to_string()));
    // The shortest text that is read back as the same number.
    whole.or_else(|_| value.extract::<f64>().map(|v| format!("{v:?}"))).ok()
}

/// A value, or several with commas between them.
fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let unreadable = || {
        let found = value.repr().map_or_else(|_| "something".to_owned(), |text| text.to_string());
        invalid(name, found, "a number, a word, or a list of numbers", "leave it out for the default")
    };
    if let Some(one) = scalar(value) {
        return Ok(one);
    }
    let Ok(items) = value.try_iter() else { return Err(unreadable()) };
    let items = items.map(|item| scalar(&item?).ok_or_else(unreadable)).collect::<PyResult<Vec<_>>>()?;
    if items.is_empty() {
        return Err(invalid(name, "no value", "at least one", "leave it out for the default"));
    }
    Ok(items.join(","))
}

/// The request of keywords; what is `None` or false is not asked for.
pub fn request(keywords: &Bound<'_, PyDict>) -> PyResult<Request> {
    let mut request = Request::new();
    for (name, value) in keywords.iter() {
        if value.is_none() || value.cast::<PyBool>().is_ok_and(|truth| !truth.is_true()) {
            continue;
        }
        let name: String = name.extract()?;
        let text = text(&name, &value)?;
        request = request.with(&name, text);
    }
    Ok(request)
}

/// Refuses keywords that exclude each other, and those that need another one.
pub fn checked(request: Request) -> PyResult<Request> {
    request.check(&in_python()).map_err(raised)?;
    Ok(request)
}

/// The options that Python has.
pub fn in_python() -> Vec<&'static OptionCard> {
    options().into_iter().filter(|option| option.in_python).collect()
}

/// Names of the methods' parameters.
#[pyfunction]
pub fn method_parameters() -> Vec<&'static str> {
    let is_parameter = |name: &str| METHODS.iter().any(|card| card.has(name));
    in_python().into_iter().map(|option| option.name).filter(|name| is_parameter(name)).collect()
}

/// Name, annotation, default as Python writes it, and help text of an option.
type Keyword = (&'static str, String, String, String);

/// The options as keywords of a function: solve, compare or sweep.
#[pyfunction]
pub fn options_of(command: &str) -> Vec<Keyword> {
    let own = if command == "sweep" { OPTIONS } else { &[] };
    own.iter()
        .chain(in_python())
        // What is required is an argument of the function itself.
        .filter(|option| option.commands.contains(&command) && option.default != Usual::Required)
        .map(|option| {
            let one = match option.kind {
                OptionKind::Switch => "bool",
                OptionKind::Number | OptionKind::Numbers => "float",
                OptionKind::Count | OptionKind::Seed | OptionKind::Counts | OptionKind::Seeds => "int",
                OptionKind::Pair => "tuple[int, int]",
                _ => "str",
            };
            let kind = if option.automatic && !option.kind.is_list() {
                format!("{one} | str")
            } else if option.kind.is_list() {
                format!("{one} | Iterable[{one}] | str")
            } else {
                one.to_owned()
            };
            let value = match option.default_of(command) {
                // A parameter's default is that of its method.
                _ if default_text(option, command).as_deref() != option.default_of(command).text() => None,
                Usual::Value(text) if one == "str" => Some(format!("\"{text}\"")),
                Usual::Value(text) if one == "float" => text.parse::<f64>().ok().map(|value| format!("{value:?}")),
                Usual::Value(text) => Some(text.to_owned()),
                _ if one == "bool" => Some("False".to_owned()),
                _ => None,
            };
            let kind = if value.is_none() { format!("{kind} | None") } else { kind };
            (option.name, kind, value.unwrap_or_else(|| "None".into()), keywords(&help(option, command)))
        })
        .collect()
}
