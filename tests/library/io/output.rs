use std::io::Write;

use lowrank::internals::io::{OutputFile, ensure_not_input};

use crate::io::{Files, assert_refused};

#[test]
fn a_file_appears_on_finish_and_not_before() {
    let files = Files::new();
    let path = files.path("out.json");
    let mut output = OutputFile::create(&path).unwrap();
    output.write_all(b"whole").unwrap();
    assert!(!path.exists());
    output.finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    assert_eq!(files.names(), ["out.json"]);
}

#[test]
fn an_unfinished_file_leaves_the_old_one_and_nothing_else() {
    let files = Files::new();
    let path = files.write("out.json", b"old");
    let mut output = OutputFile::create(&path).unwrap();
    output.write_all(b"new").unwrap();
    drop(output);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(files.names(), ["out.json"]);
    let mut output = OutputFile::create(&path).unwrap();
    output.write_all(b"new").unwrap();
    output.finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
}

#[test]
fn two_outputs_to_one_path_do_not_mix() {
    let files = Files::new();
    let path = files.path("out");
    let (mut a, mut b) = (OutputFile::create(&path).unwrap(), OutputFile::create(&path).unwrap());
    a.write_all(b"aaaa").unwrap();
    b.write_all(b"bb").unwrap();
    a.finish().unwrap();
    b.finish().unwrap();
    assert_eq!((std::fs::read(&path).unwrap(), files.names()), (b"bb".to_vec(), vec!["out".to_owned()]));
}

#[test]
fn paths_that_cannot_be_written_are_refused_at_once() {
    let files = Files::new();
    files.write("file", b"");
    assert_refused(OutputFile::create(files.path("no/such/out.json")), &["no/such/out.json", "directory"]);
    assert_refused(OutputFile::create(files.path("")), &["directory"]);
    assert_refused(OutputFile::create(files.path("file/out.json")), &["file/out.json"]);
    let locked = files.write("locked", b"keep");
    let mut permissions = std::fs::metadata(&locked).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&locked, permissions).unwrap();
    assert_refused(OutputFile::create(&locked), &["locked", "read-only"]);
    assert_eq!(files.names(), ["file", "locked"]);
}

#[cfg(unix)]
#[test]
fn links_keep_pointing_and_pipes_stay_pipes() {
    use std::os::unix::fs::FileTypeExt;
    let files = Files::new();
    let real = files.write("real", b"old");
    let link = files.path("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut output = OutputFile::create(&link).unwrap();
    output.write_all(b"new").unwrap();
    output.finish().unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read(&real).unwrap(), b"new");

    // A pipe of our own and not a real device: a fault here would replace what the whole machine uses.
    let pipe = files.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = pipe.clone();
    std::thread::spawn(move || sender.send(std::fs::read(reader).unwrap()));
    let mut output = OutputFile::create(&pipe).unwrap();
    output.write_all(b"through").unwrap();
    output.finish().unwrap();
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(receiver.recv_timeout(std::time::Duration::from_secs(20)).unwrap(), b"through");
}

#[test]
fn an_input_is_never_an_output_however_it_is_spelled() {
    let files = Files::new();
    let input = files.write("A.npy", b"data");
    let other = files.path("other.npy");
    let directory = input.parent().unwrap();
    let spelled = directory.join(".").join("x").join("..").join("A.npy");
    std::fs::create_dir(directory.join("x")).unwrap();
    assert_refused(ensure_not_input(&input, &[&other, &input]), &["A.npy", "input", "output"]);
    assert_refused(ensure_not_input(&spelled, &[&input]), &["input", "A.npy"]);
    ensure_not_input(&other, &[&input]).unwrap();
    ensure_not_input("-", &[&input]).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&input, directory.join("link")).unwrap();
        std::fs::hard_link(&input, directory.join("hard")).unwrap();
        assert_refused(ensure_not_input(directory.join("link"), &[&input]), &["input", "A.npy"]);
        assert_refused(ensure_not_input(directory.join("hard"), &[&input]), &["input", "A.npy"]);
    }
    // An input that does not exist yet: two spellings of the same new file.
    assert_refused(ensure_not_input(directory.join("./new"), &[directory.join("x/../new")]), &["input", "new"]);
}
