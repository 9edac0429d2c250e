use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// A Secret as a folder in which each key is a file. As kubelet has it, all files change at once: they are links through `..data`, which is
/// turned to the folder of the new version in one step.
pub(super) struct Mount {
    folder: PathBuf,
    versions: u32,
}

impl Mount {
    pub(super) fn new(folder: PathBuf) -> Self {
        fs::create_dir(&folder).unwrap();
        Self { folder, versions: 0 }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Brings the folder to this state.
    pub(super) fn project(&mut self, data: &BTreeMap<String, Vec<u8>>) {
        self.versions += 1;
        let (version, before) = (format!("..{}", self.versions), format!("..{}", self.versions - 1));
        fs::create_dir(self.folder.join(&version)).unwrap();
        for (key, value) in data {
            fs::write(self.folder.join(&version).join(key), value).unwrap();
        }
        let turned = self.folder.join("..data_tmp");
        symlink(&version, &turned).unwrap();
        fs::rename(turned, self.folder.join("..data")).unwrap();
        for key in data.keys().filter(|key| fs::symlink_metadata(self.folder.join(key)).is_err()) {
            symlink(Path::new("..data").join(key), self.folder.join(key)).unwrap();
        }
        if self.versions > 1 {
            fs::remove_dir_all(self.folder.join(before)).unwrap();
        }
    }
}

#[test]
fn a_mounted_secret_changes_as_a_whole_and_leaves_nothing_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut mount = Mount::new(folder.path().join("secret"));
    let data = |text: &str| BTreeMap::from(["a", "b"].map(|key| (key.to_owned(), text.as_bytes().to_vec())));
    for text in ["first", "second", "third"] {
        mount.project(&data(text));
        assert_eq!(["a", "b"].map(|key| fs::read_to_string(mount.folder().join(key)).unwrap()), [text, text]);
    }
    let mut names: Vec<_> = fs::read_dir(mount.folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["..3", "..data", "a", "b"]);
}
