//! Files that a user drops on the page. Their bytes stay in it.

use lowrank::internals::io::{factor_of, observations_of};
use lowrank::io::{NpyArray, Triplets};
use lowrank::operators::Entries;
use lowrank::operators::dense::OpenOptions;
use lowrank::problem::{Domain, Truth};
use lowrank::{Error, Problem, Result};

/// A file by its name.
pub struct File {
    pub name: String,
    pub bytes: Vec<u8>,
}

const KINDS: &str =
    "a table .csv of entries, or arrays .npy: matrices A and observations y, and a truth X if there is one";

/// The problem in the files. A table has everything. Of arrays, y is the one with one axis; A has as many rows as y has
/// numbers; what is left is the truth.
pub(crate) fn problem(files: Vec<File>) -> Result<Problem> {
    let is = |file: &File, end: &str| file.name.to_lowercase().ends_with(end);
    if let [table] = &files[..]
        && (is(table, ".csv") || is(table, ".txt"))
    {
        return entries(table);
    }
    let mut arrays = Vec::new();
    for file in files {
        if !is(&file, ".npy") {
            let fix = "save arrays with numpy.save, and give a table alone";
            return Err(Error::file(file.name.as_ref(), "another kind of file", KINDS, fix));
        }
        arrays.push(NpyArray::from_bytes(file.name, file.bytes)?);
    }
    let missing = |what: &str| Error::invalid("files", format!("no array of {what}"), KINDS, "add that file");
    let is_y = |array: &NpyArray| matches!(*array.shape(), [_] | [_, 1]);
    let y = take(&mut arrays, is_y).ok_or_else(|| missing("observations, of shape (m,)"))?;
    let m = y.shape()[0];
    let is_a = |array: &NpyArray| array.shape().len() > 1 && array.shape()[0] == m;
    let a =
        take(&mut arrays, is_a).ok_or_else(|| missing(&format!("{m} matrices, as many as there are observations")))?;
    let symmetric = !matches!(*a.shape(), [_, n1, n2] if n1 != n2);
    let a = OpenOptions::default().symmetric(symmetric).read(a)?;
    let described = a.describe();
    let y = observations_of(y, m, &described)?.concat();
    let problem = Problem::new(a.operator, y)?;
    let (truth, domain) = (arrays.pop(), problem.operator().domain());
    if let Some(other) = arrays.pop() {
        return Err(Error::file(other.path(), "one array too many", KINDS, "remove it"));
    }
    let Some(truth) = truth else { return Ok(problem) };
    if !domain.is_symmetric() {
        return Err(Error::file(truth.path(), "a truth of a matrix with two factors", "none", "remove it"));
    }
    let x = factor_of(truth, domain.rows(), "truth")?;
    problem.with_truth(Truth::from_factor(x.rows, x.columns, x.values)?)
}

/// Takes the first array of a kind out of a list.
fn take(arrays: &mut Vec<NpyArray>, is: impl Fn(&NpyArray) -> bool) -> Option<NpyArray> {
    let at = arrays.iter().position(is)?;
    Some(arrays.remove(at))
}

/// Entries of a matrix: lines row,column,value, rows and columns counted from 0. Another first line is a header.
fn entries(file: &File) -> Result<Problem> {
    let refuse = |line: u64, found: String| {
        let (allowed, fix) =
            ("lines row,column,value, counted from 0", "correct the line, or use the program, which reads more");
        Error::file(file.name.as_ref(), format!("{found} in line {line}"), allowed, fix)
    };
    let mut triplets = Triplets::default();
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(&file.bytes[..]);
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|e| refuse(at as u64 + 1, format!("no text ({e})")))?;
        let line = record.position().map_or(at as u64 + 1, csv::Position::line);
        match number(&record) {
            Some((row, column, value)) => {
                triplets.rows.push(row);
                triplets.columns.push(column);
                triplets.values.push(value);
            }
            None if at == 0 => {}
            None => return Err(refuse(line, format!("'{}'", record.iter().collect::<Vec<_>>().join(",")))),
        }
    }
    if triplets.is_empty() {
        return Err(refuse(1, "no entry".into()));
    }
    let (n1, n2) = triplets.extent();
    let sampled = Entries::from_triplets(Domain::rectangular(n1, n2), &triplets, 0)?;
    Problem::new(sampled.operator, sampled.observations)
}

/// An entry of a line, where it is one.
fn number(record: &csv::StringRecord) -> Option<(u32, u32, f64)> {
    let value: f64 = record.get(2)?.parse().ok()?;
    Some((record.get(0)?.parse().ok()?, record.get(1)?.parse().ok()?, value)).filter(|_| value.is_finite())
}

#[cfg(test)]
mod tests {
    use lowrank::io::write_npy_f64;

    use super::*;

    fn array(name: &str, shape: &[usize], values: &[f64]) -> File {
        let mut bytes = Vec::new();
        write_npy_f64(&mut bytes, shape, values).unwrap();
        File { name: name.into(), bytes }
    }

    fn text(text: &str) -> File {
        File { name: "ratings.csv".into(), bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn arrays_are_known_by_their_shapes_in_any_order() {
        let a: Vec<f64> = (0..5).flat_map(|i| [f64::from(i), 1.0, 1.0, 2.0]).collect();
        let files =
            vec![array("1.npy", &[2, 1], &[1.0, 2.0]), array("2.npy", &[5, 2, 2], &a), array("3.npy", &[5], &[1.0; 5])];
        let problem = problem(files);
        // (2, 1) is a column too: whichever comes first is y, so that the sizes do not fit and the message says so.
        assert!(problem.err().unwrap().to_string().contains("matrices"));
        let files =
            vec![array("3.npy", &[5], &[1.0; 5]), array("1.npy", &[2, 1], &[1.0, 2.0]), array("2.npy", &[5, 2, 2], &a)];
        let problem = super::problem(files).unwrap();
        assert_eq!((problem.operator().measurements(), problem.operator().domain().rows()), (5, 2));
        assert_eq!(problem.truth(0).unwrap().rank(), Some(1));
    }

    #[test]
    fn a_table_has_a_header_or_none() {
        for table in ["row,column,value\n0,1,2.5\n3,0,1\n", "0,1,2.5\n3,0,1"] {
            let problem = problem(vec![text(table)]).unwrap();
            let domain = problem.operator().domain();
            assert_eq!((domain.rows(), domain.columns(), problem.operator().measurements()), (4, 2, 2));
        }
    }

    #[test]
    fn other_files_are_refused_with_their_name_and_line() {
        let said = |files| problem(files).err().unwrap().to_string();
        assert!(said(vec![text("0,1,2\n0,x,1\n")]).contains("ratings.csv: found '0,x,1' in line 2"));
        assert!(said(vec![text("0,1,nan\n0,1,inf\n")]).contains("line 2"));
        assert!(said(vec![text("")]).contains("no entry"));
        assert!(said(vec![File { name: "a.png".into(), bytes: vec![1] }]).contains("a.png"));
        assert!(said(vec![File { name: "a.npy".into(), bytes: vec![1] }]).contains("a.npy"));
        assert!(said(vec![array("A.npy", &[5, 2, 2], &[0.0; 20])]).contains("observations"));
    }
}
