//! Tables of entries as people have them: ids, names of columns, separators, holes, and what is refused where.

use std::io::Write;
use std::path::PathBuf;

use lowrank::Error;
use lowrank::io::{Labels, TripletFile, TripletOptions, write_npy_f64, write_npz};

use crate::says::{assert_says, says};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, options: &TripletOptions, text: impl AsRef<[u8]>) -> lowrank::Result<TripletFile> {
        options.open(self.file("table.csv", text))
    }

    fn refused(&self, options: &TripletOptions, text: impl AsRef<[u8]>) -> String {
        self.read(options, text).unwrap_err().to_string()
    }
}

/// Entries by the names of their row and column, in the order of the file.
fn named(file: &TripletFile) -> Vec<(String, String, f64)> {
    let (rows, columns) = file.labels.as_ref().unwrap();
    let of = |q: usize| {
        let (row, column) = (file.triplets.rows[q] as usize, file.triplets.columns[q] as usize);
        (rows.name(row), columns.name(column), file.triplets.values[q])
    };
    (0..file.triplets.len()).map(of).collect()
}

fn entries(of: &[(&str, &str, f64)]) -> Vec<(String, String, f64)> {
    of.iter().map(|(row, column, value)| ((*row).into(), (*column).into(), *value)).collect()
}

fn packed(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

#[test]
fn every_way_of_writing_entries_is_read() {
    let folder = Folder::new();
    let wanted = entries(&[("7", "30", 1.5), ("900", "2", -2.0), ("7", "2", 4.0)]);
    let plain = "7,30,1.5\n900,2,-2\n7,2,4\n";
    for (what, text) in [
        ("plain", plain.to_owned()),
        ("header", format!("user,item,rating\n{plain}")),
        ("words as header", format!("a,b,c\n{plain}")),
        ("numbers as header", format!("0,1,2\n{plain}")),
        ("CRLF", plain.replace('\n', "\r\n")),
        ("no last break", plain.trim_end().to_owned()),
        (
            "mark, quotes, remarks",
            "\u{feff}\"user\",\"item\",\"rating\"\n\"7\",\"30\",\"1.5\"\n# x\n\n900,2,-2\n7,2,4\n".into(),
        ),
        ("tabs", plain.replace(',', "\t")),
        ("semicolons", plain.replace(',', "; ")),
        ("bars", plain.replace(',', "|")),
        ("double colons", plain.replace(',', "::")),
        ("blanks", plain.replace(',', "   ")),
        ("leading blanks", format!("  {}", plain.replace(',', " ").replace('\n', "\n  "))),
        ("decimal commas", plain.replace(',', ";").replace("1.5", "1,5")),
        ("sep=", format!("sep=;\n{}", plain.replace(',', ";"))),
        ("index of pandas", ",user,item,rating\n0,7,30,1.5\n1,900,2,-2\n2,7,2,4\n".into()),
        ("index of R", "\"user\" \"item\" \"rating\"\n\"1\" 7 30 1.5\n\"2\" 900 2 -2\n\"3\" 7 2 4\n".into()),
        ("value first, time", "rating,userId,movieId,timestamp\n1.5,7,30,9\n-2,900,2,8\n4,7,2,7\n".into()),
        (
            "title with a comma",
            "userId,movieId,title,rating\n7,30,\"a, b\",1.5\n900,2,x,-2\n7,2,\"\"\"q\"\"\",4\n".into(),
        ),
        ("floats", "7.0,3.000e+01,1.5\n9.0e+02,2.0,-2\n7.0,2.,4\n".replace("2.,", "2.0,")),
        ("missing values", format!("{plain}8,8,NA\n9,9,\n,1,3\n7,7,nan\n")),
    ] {
        let read = folder.read(&TripletOptions::default(), &text).unwrap();
        assert_eq!(named(&read), wanted, "{what}");
        assert_eq!(read.shape, (2, 2), "{what}");
        let packed = TripletOptions::default().open(folder.file("table.csv.gz", packed(&text))).unwrap();
        assert_eq!(named(&packed), wanted, "{what}, packed");
        let skipped = read.notices.iter().any(|notice| says(notice, "4 lines"));
        assert_eq!(skipped, what == "missing values", "{what}: {:?}", read.notices);
    }
    let weighted = folder.read(&TripletOptions::default(), "row,column,value,weight\n1,1,5,2\n1,2,6,0.5\n").unwrap();
    assert_eq!(weighted.triplets.weights, [2.0, 0.5]);
    let other = TripletOptions::default().columns(Some(["c", "a", "d"].map(String::from).to_vec()));
    assert_eq!(named(&folder.read(&other, "a,b,c,d\n1,2,3,4\n").unwrap()), entries(&[("3", "1", 4.0)]));
    let numbers = TripletOptions::default().columns(Some(["2", "3", "1"].map(String::from).to_vec()));
    assert_eq!(
        named(&folder.read(&numbers, "5.5,1,2\n2.5,8,9\n").unwrap()),
        entries(&[("1", "2", 5.5), ("8", "9", 2.5)])
    );
    let data = TripletOptions::default().header(Some(false));
    assert_eq!(named(&folder.read(&data, "0,1,2\n3,4,5\n").unwrap()).len(), 2);
}

#[test]
fn ids_are_what_occurs() {
    let folder = Folder::new();
    let plain = TripletOptions::default();
    let read = folder.read(&plain, "9000000000000000007,a b,1\n12,c,2\n-5,\"a b\",3\n").unwrap();
    let (rows, columns) = read.labels.clone().unwrap();
    assert_eq!(rows, Labels::Integers(vec![-5, 12, 9_000_000_000_000_000_007]));
    assert_eq!(columns, Labels::Texts(vec!["a b".into(), "c".into()]));
    assert_eq!(read.shape, (3, 2));
    // Consecutive ids are their own order; one list serves both axes of a symmetric matrix.
    let read = folder.read(&plain, "2,1,1\n0,0,2\n1,0,3\n").unwrap();
    assert_eq!((read.triplets.rows, read.labels.unwrap().0), (vec![2, 0, 1], Labels::Counted { first: 0, count: 3 }));
    let read = folder.read(&plain.clone().square(true), "u,v,1\nw,u,2\n").unwrap();
    assert_eq!((read.shape, read.triplets.rows, read.triplets.columns), ((3, 3), vec![0, 2], vec![1, 0]));
    // Two files of one matrix have the ids of both.
    let (one, other) = (folder.file("one.csv", "5,1,1\n9,1,2\n"), folder.file("other.csv", "7,1,3\n9,4,4\n"));
    let files = plain.open_all(&[&one, &other]).unwrap();
    assert_eq!((files[0].shape, files[1].shape), ((3, 2), (3, 2)));
    assert_eq!((&files[0].triplets.rows, &files[1].triplets.rows), (&vec![0, 2], &vec![1, 2]));
    // With a shape they are indices.
    let shaped = plain.clone().shape(Some((4, 5)));
    let read = folder.read(&shaped, "3.0,4,1\n0,0,2\n").unwrap();
    assert_eq!((read.shape, read.triplets.rows), ((4, 5), vec![3, 0]));
    assert!(read.notices.iter().any(|notice| notice.contains("--index-base 1")));
    let from_one = folder.read(&shaped.index_base(Some(1)), "4,5,1\n1,1,2\n").unwrap();
    assert_eq!(
        (from_one.triplets.columns, from_one.labels.unwrap().1),
        (vec![4, 0], Labels::Counted { first: 1, count: 5 })
    );
}

#[test]
fn matrices_with_holes_are_completed() {
    let folder = Folder::new();
    let plain = TripletOptions::default();
    let wanted = entries(&[("b", "x", 1.5), ("b", "z", 2.0), ("a", "y", 3.0)]);
    let frame = ",x,y,z\nb,1.5,,2\na,NaN,3,\n";
    assert_eq!(named(&folder.read(&plain, frame).unwrap()), wanted);
    let read = folder.read(&plain, frame).unwrap();
    assert_eq!(read.labels.unwrap().0, Labels::Texts(vec!["b".into(), "a".into()]), "the order of the file");
    assert!(read.notices.iter().any(|notice| says(notice, "2 x 3") && says(notice, "3 holes")), "{:?}", read.notices);
    let bare = folder.read(&plain, "1.5,nan,2,1\nnan,3,nan,nan\n").unwrap();
    assert_eq!((bare.shape, bare.triplets.values), ((2, 4), vec![1.5, 2.0, 1.0, 3.0]));
    let asked = folder.read(&plain.clone().wide(Some(true)), "1,2,3\n4,5,6\n").unwrap();
    assert_eq!((asked.shape, asked.triplets.len()), ((2, 3), 6));
    let six = folder.read(&plain, "1,2,3,4,5,6\n6,5,4,3,2,1\n").unwrap();
    assert_eq!(six.shape, (2, 6));

    let holes = [1.0, f64::NAN, 2.0, 3.0, f64::NAN, 4.0];
    let mut bytes = Vec::new();
    write_npy_f64(&mut bytes, &[2, 3], &holes).unwrap();
    let array = plain.open(folder.file("D.npy", &bytes)).unwrap();
    assert_eq!(
        (array.shape, array.triplets.rows, array.triplets.columns),
        ((2, 3), vec![0, 0, 1, 1], vec![0, 2, 0, 2])
    );
    let mut bytes = Vec::new();
    write_npz(&mut bytes, &[("anything", &[2, 3], &holes)]).unwrap();
    assert_eq!(plain.open(folder.file("D.npz", &bytes)).unwrap().triplets.len(), 4);
    let list = [0.0, 2.0, 1.5, 1.0, 0.0, 2.5, 1.0, 1.0, 3.5, 0.0, 0.0, 4.5];
    let mut bytes = Vec::new();
    write_npy_f64(&mut bytes, &[4, 3], &list).unwrap();
    let path = folder.file("list.npy", &bytes);
    assert_eq!(plain.open(&path).unwrap().shape, (2, 3));
    assert_eq!(plain.clone().wide(Some(true)).open(&path).unwrap().shape, (4, 3));
}

#[test]
fn bad_tables_are_refused_with_line_and_column() {
    let folder = Folder::new();
    let plain = TripletOptions::default();
    let shaped = || plain.clone().shape(Some((4, 3)));
    let columns = |names: &[&str]| plain.clone().columns(Some(names.iter().map(|name| (*name).to_owned()).collect()));
    for (text, options, words) in [
        ("", plain.clone(), vec!["empty", "row,column,value"]),
        ("user,item,rating\n", plain.clone(), vec!["header"]),
        ("# nothing\n\n", plain.clone(), vec!["no entries"]),
        ("5,5,NA\n6,6,NA\n", plain.clone(), vec!["missing values"]),
        ("5,1,2\n1.5,1,2\n", plain.clone(), vec!["'1.5'", "row", "line 2", "field 1", "--columns"]),
        ("5,1,2\n0,2,abc\n", plain.clone(), vec!["'abc'", "value", "line 2", "field 3"]),
        ("user,item,rating\n0,2,abc\n", plain.clone(), vec!["'abc'", "value", "line 2", "column 'rating'"]),
        ("5,1,2\n\n0,2,inf\n", plain.clone(), vec!["'inf'", "value", "line 3"]),
        ("5,1,2\n0,2\n", plain.clone(), vec!["2 fields", "line 2", "3"]),
        ("0,1\n", plain.clone(), vec!["2 fields", "line 1", "row", "column", "value"]),
        ("5,1,2\n0,1,2,3\n1,1,1\n", plain.clone(), vec!["4 fields", "line 2"]),
        ("row;column;value\n1;1;2,5\n1;2;2.5\n", plain.clone(), vec!["'2.5'", "line 3", "decimal"]),
        ("row,column,value,weight\n1,1,1,-1\n", plain.clone(), vec!["'-1'", "weight", "line 2"]),
        ("a,b,c,d\n1,2,3,4\n", plain.clone(), vec!["a, b, c, d", "--columns a,b,c", "--table wide"]),
        ("user,userId,item,rating\n1,1,2,3\n", plain.clone(), vec!["'user'", "'userId'", "row", "--columns"]),
        ("5,1,2\n4,1,2\n", shaped(), vec!["'5'", "row", "line 1", "0", "3", "--shape"]),
        ("3,1,2\n4,1,2\n", shaped(), vec!["'4'", "row", "line 2", "0", "3", "--index-base 1"]),
        ("u,1,2\n4,1,2\n", shaped(), vec!["'u'", "row", "line 1", "--shape"]),
        ("1,1,2\n0,1,2\n", shaped().index_base(Some(1)), vec!["'0'", "row", "line 2", "1", "--index-base 0"]),
        ("1,1,2\n", plain.clone().index_base(Some(1)), vec!["index_base", "--shape"]),
        ("user,item,rating\n1,2,3\n", columns(&["user", "movie", "rating"]), vec!["'movie'", "user, item, rating"]),
        ("1,2,3\n", columns(&["1", "2", "4"]), vec!["'4'", "1 to 3"]),
        ("1,2,3\n", columns(&["1", "2"]), vec!["1,2", "row, column, value"]),
        ("1,2,,4\n,,3,1\n", shaped(), vec!["2 x 4", "4 x 3"]),
        ("PAR1xxxx", plain.clone(), vec!["parquet", "to_csv"]),
        ("BZh91AY", plain.clone(), vec!["bzip2", "gzip"]),
    ] {
        let message = folder.refused(&options, text);
        let file = if message.contains("setting") || message.starts_with("columns") || message.starts_with("index_base")
        {
            ""
        } else {
            "table.csv"
        };
        for word in words.into_iter().chain([file]) {
            assert!(says(&message, word), "{text:?}: {message} lacks {word:?}");
        }
    }
    let wide: Vec<u8> = "row,column,value\n1,1,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_says(&folder.refused(&plain, [&[0xFF, 0xFE][..], &wide].concat()), &["UTF-16", "UTF-8"]);
    assert_says(&folder.refused(&plain, b"1,2,3\n\0\0\0"), &["no text"]);
    let packed = packed(&"1,2,3\n".repeat(50_000));
    assert_says(
        &plain.open(folder.file("cut.gz", &packed[..packed.len() / 2])).unwrap_err().to_string(),
        &["ends too early"],
    );
    let mut bytes = Vec::new();
    write_npy_f64(&mut bytes, &[1, 2], &[1.0, f64::INFINITY]).unwrap();
    assert_says(&plain.open(folder.file("D.npy", &bytes)).unwrap_err().to_string(), &["inf", "[0, 1]"]);
    let missing = plain.open(folder.0.path().join("none.csv")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }), "{missing}");
}
