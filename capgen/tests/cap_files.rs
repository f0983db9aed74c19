//! Generated CAP files: their components agree, and the reader of `cardwright-gp` takes them.

mod checker;

use cardwright_apdu::Aid;
use cardwright_capgen::{CapBuilder, CapgenError, Format, default_payment_cap};
use cardwright_gp::load_file::{CapFile, Component, DescriptorPolicy};

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/published.json");

fn aid(text: &str) -> Aid {
    text.parse().unwrap()
}

fn builder() -> CapBuilder {
    CapBuilder::new(aid("A0000003869807")).applet(aid("A00000038698070101"))
}

#[test]
fn the_checker_agrees_with_packages_of_a_foreign_converter() {
    let Ok(text) = std::fs::read_to_string(PUBLISHED) else {
        println!("{PUBLISHED} is not there: the published packages are passed over");
        return;
    };
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in ["cap-helloworld-with-descriptor", "cap-empty-with-descriptor"] {
        let vector = file["vectors"].as_array().unwrap().iter().find(|vector| vector["id"] == name).unwrap();
        let seen = checker::check(&hex::decode(vector["expected"]["lfdb"].as_str().unwrap()).unwrap());
        assert_eq!((seen.classes, seen.methods), (1, 3), "{name}");
        assert!(seen.references > 4, "{name}");
    }
}

#[test]
fn the_components_agree_in_every_size_and_format() {
    for format in [Format::V2_1, Format::V2_2, Format::V2_3] {
        for bytes in [0, 700, 6000, 20_000, 50_000] {
            let image = builder().format(format).min_data_block_len(bytes).image().unwrap();
            let seen = checker::check(&image);
            assert!(seen.methods >= 4 && seen.references > 15, "{seen:?}");
        }
    }
}

#[test]
#[should_panic(expected = "reference locations")]
fn the_checker_sees_a_reference_that_is_listed_one_byte_off() {
    let mut image = builder().min_data_block_len(0).image().unwrap();
    // The component's tag, size and first count, then its only reference of one byte.
    let cap = CapFile::parse(&image).unwrap();
    let location = cap.component(Component::ReferenceLocation).unwrap();
    let place = image.windows(location.len()).position(|window| window == location).unwrap();
    image[place + 5] += 1;
    checker::check(&image);
}

#[test]
fn every_applet_is_a_class_with_its_own_install_method() {
    let builder =
        (2..=40).fold(builder(), |builder, number| builder.applet(aid(&format!("A000000386980701{number:02}"))));
    let image = builder.image().unwrap();
    assert_eq!(checker::check(&image).classes, 40);
    let cap = CapFile::parse(&image).unwrap();
    assert_eq!(cap.applets().len(), 40);
    assert!(cap.applets().windows(2).all(|pair| pair[0].install_method_offset < pair[1].install_method_offset));
}

#[test]
fn the_reader_gives_back_what_was_asked_for() {
    let builder = builder()
        .version(3, 7)
        .format(Format::V2_2)
        .package_name("com/example/purse")
        .import(aid("A0000000620201"), 1, 1)
        .import(aid("A0000000620101"), 1, 2);
    let cap = CapFile::parse(&builder.archive().unwrap()).unwrap();
    assert_eq!(cap, CapFile::parse(&builder.image().unwrap()).unwrap());
    checker::check(&builder.image().unwrap());
    assert_eq!(cap.format().to_string(), "2.2");
    assert_eq!(cap.package_aid(), aid("A0000003869807"));
    assert_eq!(cap.package_version().to_string(), "3.7");
    assert_eq!(cap.package_name(), Some("com/example/purse"));
    let imports: Vec<_> = cap.imports().iter().map(|import| format!("{} {}", import.aid, import.version)).collect();
    assert_eq!(imports, ["A0000000620101 1.2", "A0000000620001 1.0", "A0000000620201 1.1"]);
}

#[test]
fn static_resources_are_where_the_reader_looks_for_them() {
    let builder = builder().format(Format::V2_3).resource(9, b"first").resource(0x8001, &[]).resource(2, &[7; 32_767]);
    let image = builder.image().unwrap();
    checker::check(&image);
    let cap = CapFile::parse(&image).unwrap();
    assert_eq!(cap, CapFile::parse(&builder.archive().unwrap()).unwrap());
    let resources: Vec<_> = cap.resources().iter().map(|resource| (resource.id, resource.length)).collect();
    assert_eq!(resources, [(9, 5), (0x8001, 0), (2, 32_767)]);
    let component = cap.component(Component::StaticResources).unwrap();
    assert_eq!(component[..7], [13, 0, 0, 0x80, 0x18, 0, 3]);
    assert_eq!(component[25..31], *b"first\x07");
    assert!(String::from_utf8_lossy(&builder.archive().unwrap()).contains("/javacard/StaticResources.capx"));
}

#[test]
fn the_payment_package_takes_24_blocks() {
    let bytes = default_payment_cap();
    assert_eq!(bytes, default_payment_cap());
    let cap = CapFile::parse(&bytes).unwrap();
    assert_eq!(cap.package_aid(), aid("A0000003869807"));
    assert_eq!(cap.package_version().to_string(), "1.0");
    assert_eq!(cap.format().to_string(), "2.1");
    assert_eq!(cap.applets().len(), 1);
    assert_eq!(cap.applets()[0].aid, aid("A00000038698070101"));
    let load_file = cap.to_load_file(DescriptorPolicy::Omit).unwrap();
    assert_eq!(load_file.number_of_blocks(239), Ok(24));
    let whole = cap.to_load_file(DescriptorPolicy::Send).unwrap();
    checker::check(whole.data_block());
}

#[test]
fn the_archive_has_a_manifest_in_lines_of_72_bytes() {
    let long = "A0".repeat(16);
    let bytes = CapBuilder::new(aid(&long)).applet(aid(&long)).archive().unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let manifest = &text[text.find("Manifest-Version").unwrap()..text.find("\r\n\r\n").unwrap()];
    assert!(manifest.lines().all(|line| line.len() <= 72), "{manifest}");
    let unfolded = manifest.replace("\r\n ", "");
    let aid = vec!["0xa0"; 16].join(":");
    assert!(unfolded.contains(&format!("\r\nJava-Card-Package-AID: {aid}\r\n")), "{unfolded}");
    assert!(unfolded.ends_with("Java-Card-Integer-Support-Required: FALSE"));
}

#[test]
fn sizes_are_reached_closely() {
    for wanted in [1000, 5570, 6000, 33_333] {
        let cap = CapFile::parse(&builder().min_data_block_len(wanted).image().unwrap()).unwrap();
        let len = cap.data_block_len(DescriptorPolicy::Omit);
        assert!((wanted..wanted + 160).contains(&len), "{len} for {wanted}");
        assert!(cap.component(Component::Descriptor).is_some());
    }
}

#[test]
fn refuses_what_the_standard_does_not_allow() {
    let package = aid("A0000003869807");
    assert_eq!(CapBuilder::new(package).archive(), Err(CapgenError::NoApplet));
    let foreign = aid("B00000038698070101");
    assert_eq!(builder().applet(foreign).archive(), Err(CapgenError::AppletRid { applet: foreign, package }));
    let applet = aid("A00000038698070101");
    assert_eq!(builder().applet(applet).archive(), Err(CapgenError::DuplicateApplet { applet }));
    let resource = |format| builder().format(format).resource(7, b"logo");
    for format in [Format::V2_1, Format::V2_2] {
        assert_eq!(resource(format).archive(), Err(CapgenError::ResourceFormat));
    }
    let twice = resource(Format::V2_3).resource(7, b"other");
    assert_eq!(twice.archive(), Err(CapgenError::DuplicateResource { id: 7 }));
    let long = resource(Format::V2_3).resource(8, &[0; 32_768]);
    assert!(matches!(long.archive(), Err(CapgenError::TooMany { limit: 32_767, .. })));
    assert_eq!(builder().package_name("../up").archive(), Err(CapgenError::PackageName));
    assert!(matches!(builder().min_data_block_len(90_000).archive(), Err(CapgenError::TooMany { limit: 0xFFFF, .. })));
    assert!(matches!(builder().min_data_block_len(usize::MAX).archive(), Err(CapgenError::TooMany { .. })));
}
