use lowrank::internals::io::{InputInfo, NpyWriter};
use lowrank::io::{ElementKind, NpyArray, npz_names, read_npz, write_npy_f32, write_npy_f64, write_npz};

use crate::io::{Files, assert_refused, f64_bytes, golden, npy};

fn quarters() -> Vec<f64> {
    (0..24).map(|i| f64::from(i) / 4.0 - 1.0).collect()
}

#[test]
fn every_type_order_and_byte_order_numpy_writes_reads_as_the_same_numbers() {
    let shifted = |by: f64| (0..24).map(|i| f64::from(i) + by).collect::<Vec<_>>();
    let cases = [
        ("c_f8", ElementKind::F64, quarters()),
        ("fortran_f4", ElementKind::F32, quarters()),
        ("big_f8", ElementKind::F64, quarters()),
        ("f2", ElementKind::F16, quarters()),
        ("big_i4", ElementKind::I32, shifted(-7.0)),
        ("i1", ElementKind::I8, shifted(-7.0)),
        ("i2", ElementKind::I16, shifted(-7.0)),
        ("i8", ElementKind::I64, shifted(-7.0)),
        ("u1", ElementKind::U8, shifted(0.0)),
        ("u2", ElementKind::U16, shifted(0.0)),
        ("u4", ElementKind::U32, shifted(0.0)),
        ("u8", ElementKind::U64, shifted(0.0)),
        ("bool", ElementKind::Bool, (0..24).map(|i| f64::from(u8::from(i % 3 == 0))).collect()),
    ];
    for (name, kind, expected) in cases {
        let array = NpyArray::open(golden(&format!("{name}.npy"))).unwrap();
        assert_eq!((array.shape(), array.dtype().kind), (&[2, 3, 4][..], kind), "{name}");
        assert_eq!(array.to_vec().unwrap(), expected, "{name}");
        let mut second = vec![f64::NAN; 12];
        array.block(1..2, &mut second).unwrap();
        assert_eq!(second, expected[12..], "{name}: block");
        for (i, &value) in expected.iter().enumerate() {
            let index = [i / 12, i / 4 % 3, i % 4];
            assert_eq!(array.get(&index), Some(value), "{name}: {index:?}");
        }
        assert_eq!(array.get(&[0, 3, 0]), None);
        assert_eq!(array.get(&[0, 0]), None);
    }
    let scalar = NpyArray::open(golden("scalar.npy")).unwrap();
    assert_eq!((scalar.shape().len(), scalar.to_vec().unwrap(), scalar.get(&[])), (0, vec![2.5], Some(2.5)));
}

#[test]
fn only_what_lies_in_memory_as_needed_is_given_in_place() {
    assert_eq!(NpyArray::open(golden("c_f8.npy")).unwrap().as_f64_slice(), Some(&quarters()[..]));
    assert!(NpyArray::open(golden("c_f8.npy")).unwrap().as_f32_slice().is_none());
    assert!(NpyArray::open(golden("fortran_f4.npy")).unwrap().as_f32_slice().is_none());
    assert!(NpyArray::open(golden("big_f8.npy")).unwrap().as_f64_slice().is_none());
}

#[test]
fn blocks_outside_the_array_are_refused() {
    let array = NpyArray::open(golden("c_f8.npy")).unwrap();
    assert_refused(array.block(1..3, &mut [0.0; 24]), &["rows", "0..2"]);
    assert_refused(array.block(0..1, &mut [0.0; 11]), &["11", "12"]);
}

#[test]
fn integers_a_double_cannot_hold_are_named_and_never_rounded() {
    let array = NpyArray::open(golden("beyond_2_53.npy")).unwrap();
    assert_refused(array.to_vec(), &["2^53", "[1, 1]"]);
    let mut first = [0.0; 2];
    array.block(0..1, &mut first).unwrap();
    assert_eq!(first, [1.0, 2.0]);
    // Fortran order: file order 1, big, big, 2 is rows [1, big], [big, 2]; the first in row-major order is named.
    let data: Vec<u8> = [1_u64, u64::MAX, u64::MAX, 2].iter().flat_map(|v| v.to_be_bytes()).collect();
    let array = NpyArray::from_bytes("x", npy(">u8", true, "(2, 2)", &data)).unwrap();
    assert_refused(array.to_vec(), &["[0, 1]"]);
}

#[test]
fn what_is_not_a_plain_number_is_refused_with_a_way_out() {
    assert_refused(NpyArray::open(golden("complex.npy")), &["complex128", "2n x 2n", "imaginary"]);
    assert_refused(NpyArray::open(golden("text.npy")), &["strings", "astype"]);
    assert_refused(NpyArray::open(golden("record.npy")), &["structured", "float64"]);
    assert_refused(NpyArray::open(golden("date.npy")), &["date", "float64"]);
    assert_refused(NpyArray::open(golden("object.npy")), &["objects", "astype"]);
}

#[test]
fn archives_of_numpy_are_read_stored_and_deflated() {
    for name in ["stored.npz", "deflated.npz"] {
        let path = golden(name);
        assert_eq!(npz_names(&path).unwrap(), ["left", "other"]);
        let left = read_npz(&path, "left").unwrap();
        assert_eq!(left.shape(), [2, 3, 4]);
        assert_eq!(left.to_vec().unwrap(), (0..24).map(|i| f64::from(i) / 2.0).collect::<Vec<_>>());
        assert_eq!(read_npz(&path, "other").unwrap().to_vec().unwrap(), [0.0, 1.0, 2.0]);
        assert_refused(read_npz(&path, "right"), &["right", "left", "other", name]);
    }
    assert_refused(NpyArray::open(golden("stored.npz")), &["zip"]);
}

#[test]
fn a_flipped_bit_in_an_archive_is_noticed() {
    let files = Files::new();
    let mut bytes = std::fs::read(golden("stored.npz")).unwrap();
    let at = bytes.windows(8).position(|w| w == 11.5_f64.to_le_bytes()).unwrap();
    bytes[at + 2] ^= 1;
    assert_refused(read_npz(files.write("bad.npz", &bytes), "left"), &["bad.npz"]);
    assert_refused(npz_names(files.write("cut.npz", &bytes[..bytes.len() / 2])), &["cut.npz", "numpy.savez"]);
}

#[test]
fn written_files_are_what_numpy_writes() {
    let mut written = Vec::new();
    write_npy_f64(&mut written, &[2, 3, 4], &quarters()).unwrap();
    assert_eq!(written, std::fs::read(golden("c_f8.npy")).unwrap());
    let mut scalar = Vec::new();
    write_npy_f64(&mut scalar, &[], &[2.5]).unwrap();
    assert_eq!(scalar, std::fs::read(golden("scalar.npy")).unwrap());
}

#[test]
fn pieces_make_the_same_file_as_the_whole() {
    let values: Vec<f32> = (0..20_000).map(|i| i as f32).collect();
    let mut whole = Vec::new();
    write_npy_f32(&mut whole, &[200, 100], &values).unwrap();
    let mut pieces = NpyWriter::<_, f32>::new(Vec::new(), &[200, 100]).unwrap();
    for row in values.chunks(100) {
        pieces.write(row).unwrap();
    }
    assert!(pieces.write(&[0.0]).is_err());
    let pieces = {
        let mut again = NpyWriter::<_, f32>::new(Vec::new(), &[200, 100]).unwrap();
        again.write(&values).unwrap();
        again.finish().unwrap()
    };
    assert_eq!(pieces, whole);
    assert!(NpyWriter::<_, f64>::new(Vec::new(), &[2]).unwrap().finish().is_err());
    assert!(NpyWriter::<_, f64>::new(Vec::new(), &[usize::MAX, 2]).is_err());
    let back = NpyArray::from_bytes("whole", whole).unwrap();
    assert_eq!(back.to_vec().unwrap()[19_999], 19_999.0);
}

#[test]
fn written_archives_read_back_and_depend_on_the_arrays_alone() {
    let files = Files::new();
    let mut first = Vec::new();
    let arrays: [(&str, &[usize], &[f64]); 2] = [("left", &[1, 2, 2], &[1.0, -2.0, 3.5, 1e-300]), ("s", &[0], &[])];
    write_npz(&mut first, &arrays).unwrap();
    let path = files.write("factors.npz", &first);
    assert_eq!(npz_names(&path).unwrap(), ["left", "s"]);
    let left = read_npz(&path, "left").unwrap();
    assert_eq!((left.shape(), left.to_vec().unwrap()), (&[1, 2, 2][..], vec![1.0, -2.0, 3.5, 1e-300]));
    assert!(read_npz(&path, "s").unwrap().is_empty());
    let mut second = Vec::new();
    write_npz(&mut second, &arrays).unwrap();
    assert_eq!(first, second);
    assert!(write_npz(&mut Vec::new(), &[("a", &[2], &[1.0])]).is_err(), "a shape that lies");
    assert!(write_npz(&mut Vec::new(), &[("a", &[1], &[1.0]), ("a", &[1], &[1.0])]).is_err(), "a name twice");
}

#[test]
fn digests_are_those_of_sha256sum() {
    let files = Files::new();
    let path = files.write("y.npy", &npy("<f8", false, "(2,)", &f64_bytes(&[1.0, 2.0])));
    let info = InputInfo::read(&path).unwrap();
    assert_eq!((info.shape.as_slice(), info.dtype.as_str(), info.sha256.len()), (&[2][..], "float64", 64));
    assert_eq!(InputInfo::read(golden("scalar.npy")).unwrap().sha256, SCALAR);
    assert_eq!(InputInfo::read(golden("stored.npz")).unwrap().sha256, STORED);
    let json = serde_json::to_string(&info).unwrap();
    assert_eq!(serde_json::from_str::<InputInfo>(&json).unwrap(), info);
}

const SCALAR: &str = "e48eff868547062007e00b3f58f840c1ca9ebe1d6d38b5b62a390c828efb2271";
const STORED: &str = "3d5d603781ff3168312a3744c48f04799616dae7e3fae1e725405bcd7e30ccf1";
