//! Published CAP files: what the reader makes of their components, and their data blocks, hashes and blocks.

mod support;

use cardwright_gp::load_file::{CapFile, Component, DescriptorPolicy, HashAlgorithm};
use serde_json::Value;

fn vectors(name: &str) -> Option<[Value; 2]> {
    let find = |suffix: &str| support::published(&format!("cap-{name}-{suffix}"));
    Some([find("with-descriptor")?, find("no-descriptor")?])
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector["expected"][field].as_str().unwrap()
}

fn check(name: &str) -> Option<CapFile> {
    let [with, without] = vectors(name)?;
    // The components are in the data block one behind the other, which is what an image is.
    let image = hex::decode(text(&with, "lfdb")).unwrap();
    let cap = CapFile::parse(&image).unwrap();
    let sizes = with["inputs"]["component_sizes"].as_object().unwrap();
    for component in Component::ALL {
        let expected = sizes.get(component.name()).map(|size| size.as_u64().unwrap() as usize);
        assert_eq!(cap.component(component).map(<[u8]>::len), expected, "{component}");
    }
    for (vector, policy) in [(with, DescriptorPolicy::Send), (without, DescriptorPolicy::Omit)] {
        let load_file = cap.to_load_file(policy).unwrap();
        assert_eq!(hex::encode_upper(load_file.data_block()), text(&vector, "lfdb"));
        for (algorithm, field) in [
            (HashAlgorithm::Sha1, "lfdb_sha1"),
            (HashAlgorithm::Sha256, "lfdb_sha256"),
            (HashAlgorithm::Sha384, "lfdb_sha384"),
            (HashAlgorithm::Sha512, "lfdb_sha512"),
        ] {
            assert_eq!(load_file.hash(algorithm).to_string(), text(&vector, field));
        }
        assert_eq!(vector["expected"]["load_file_length"], load_file.as_bytes().len());
        let first = load_file.blocks(8).unwrap().next().unwrap();
        assert_eq!(hex::encode_upper(first.data), text(&vector, "load_file_prefix"));
    }
    Some(cap)
}

#[test]
fn the_hello_world_package() {
    let Some(cap) = check("helloworld") else { return };
    assert_eq!(cap.package_aid().to_string(), "D0D1D2D3D4D501");
    assert_eq!(cap.package_version().to_string(), "1.0");
    assert_eq!(cap.applets().len(), 1);
    assert_eq!(cap.applets()[0].aid.to_string(), "D0D1D2D3D4D50101");
    assert_eq!(cap.applets()[0].install_method_offset, 0x0C);
    assert_eq!(cap.imports().len(), 1);
    assert_eq!(cap.imports()[0].aid.to_string(), "A0000000620101");
}

#[test]
fn the_empty_package() {
    let Some(cap) = check("empty") else { return };
    assert_eq!(cap.package_aid().to_string(), "0102030405");
    assert_eq!(cap.format().to_string(), "2.1");
    let imports: Vec<_> = cap.imports().iter().map(|import| format!("{} {}", import.aid, import.version)).collect();
    assert_eq!(imports, ["A0000000620101 1.2", "A0000000620102 1.2", "A0000000620001 1.0"]);
}
