//! The archive around the components (JCVM 4.1.3).

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use cardwright_apdu::Aid;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::CapBuilder;
use crate::package::{Components, file_name};

pub(crate) fn write(builder: &CapBuilder, components: &Components) -> Vec<u8> {
    // Stored and with a fixed time: compression and clocks differ between machines.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut member = |path: &str, bytes: &[u8]| {
        writer.start_file(path, options)?;
        writer.write_all(bytes).map_err(zip::result::ZipError::from)
    };
    let mut write_all = || {
        member("META-INF/MANIFEST.MF", manifest(builder).as_bytes())?;
        for (tag, bytes) in components.in_load_order() {
            member(&format!("{}/javacard/{}", builder.name, file_name(*tag)), bytes)?;
        }
        Ok::<_, zip::result::ZipError>(())
    };
    write_all().expect("memory takes a dozen members with short, different names");
    writer.finish().expect("memory takes the directory of the archive").into_inner()
}

/// The manifest, with the attributes that converters give it.
fn manifest(builder: &CapBuilder) -> String {
    let mut attributes = vec![
        ("Manifest-Version".into(), "1.0".into()),
        ("Java-Card-CAP-File-Version".into(), format!("2.{}", builder.format.minor())),
        ("Java-Card-Package-Name".into(), builder.name.replace('/', ".")),
        ("Java-Card-Package-AID".into(), manifest_aid(&builder.package.aid)),
        ("Java-Card-Package-Version".into(), format!("{}.{}", builder.package.major, builder.package.minor)),
    ];
    for (number, aid) in (1..).zip(&builder.applets) {
        attributes.push((format!("Java-Card-Applet-{number}-AID"), manifest_aid(aid)));
        attributes.push((format!("Java-Card-Applet-{number}-Name"), format!("Applet{number}")));
    }
    for (number, import) in (1..).zip(&builder.imports) {
        let attribute = |what| format!("Java-Card-Imported-Package-{number}-{what}");
        attributes.push((attribute("AID"), manifest_aid(&import.aid)));
        attributes.push((attribute("Version"), format!("{}.{}", import.major, import.minor)));
    }
    attributes.push(("Java-Card-Integer-Support-Required".into(), "FALSE".into()));

    let mut manifest = String::new();
    for (name, value) in attributes {
        push_wrapped(&mut manifest, &format!("{name}: {value}"));
    }
    manifest + "\r\n"
}

fn manifest_aid(aid: &Aid) -> String {
    let mut text = String::new();
    for (index, byte) in aid.as_bytes().iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        write!(text, "{colon}0x{byte:02x}").expect("memory takes text");
    }
    text
}

/// Lines of a manifest have at most 72 bytes; the next begins with a space. Attributes are ASCII.
fn push_wrapped(manifest: &mut String, line: &str) {
    let (mut rest, mut room) = (line, 72);
    while rest.len() > room {
        let (head, tail) = rest.split_at(room);
        manifest.push_str(head);
        manifest.push_str("\r\n ");
        (rest, room) = (tail, 71);
    }
    manifest.push_str(rest);
    manifest.push_str("\r\n");
}
