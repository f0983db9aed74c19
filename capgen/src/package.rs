//! Puts methods and classes into components whose sizes, offsets and references agree (JCVM 6.3 to 6.13; JCVM 3.1 6.16).

use std::collections::HashMap;

use crate::applet::{self, GREETING, Method, access, framework, signature};
use crate::code::{Constant, MethodId};
use crate::{CapBuilder, CapgenError, Format, Package};

const HEADER: u8 = 1;
const DIRECTORY: u8 = 2;
const APPLET: u8 = 3;
const IMPORT: u8 = 4;
const CONSTANT_POOL: u8 = 5;
const CLASS: u8 = 6;
const METHOD: u8 = 7;
const STATIC_FIELD: u8 = 8;
const REFERENCE_LOCATION: u8 = 9;
const DESCRIPTOR: u8 = 11;
const STATIC_RESOURCES: u8 = 13;

/// Token of `javacard.framework` in the Import component, as the high byte of an external class_ref.
const FRAMEWORK: u8 = 0x80;
/// Length of the class_info of an applet: one virtual method, no interfaces.
const CLASS_INFO_LEN: usize = 12;
/// type field of a field_descriptor_info: high bit for primitive, `short`.
const PRIMITIVE_SHORT: u16 = 0x8004;
/// super_class_ref of a class, or the class of a constant, in the framework.
const fn framework_class(class: u8) -> [u8; 2] {
    [FRAMEWORK, class]
}

/// The components of a CAP file, tag and size items in front.
pub(crate) struct Components(Vec<(u8, Vec<u8>)>);

impl Components {
    pub(crate) fn new(builder: &CapBuilder, fillers: usize) -> Result<Self, CapgenError> {
        let layout = Layout::new(builder, fillers)?;
        let mut infos = vec![
            (HEADER, layout.header()),
            (IMPORT, layout.import()),
            (APPLET, layout.applet()),
            (CLASS, layout.class()),
            (METHOD, layout.method.clone()),
            (STATIC_FIELD, static_field()),
            (CONSTANT_POOL, layout.constant_pool()),
            (REFERENCE_LOCATION, layout.reference_location()?),
            (DESCRIPTOR, layout.descriptor()),
        ];
        if let Some(resources) = layout.static_resources()? {
            // In front of the Descriptor (JCVM 3.1 6.2).
            infos.insert(infos.len() - 1, (STATIC_RESOURCES, resources));
        }
        infos.insert(1, (DIRECTORY, layout.directory(&infos)?));
        let framed = infos.into_iter().map(|(tag, info)| {
            let mut bytes = vec![tag];
            match tag {
                STATIC_RESOURCES => bytes.extend(long_count("bytes of static resources", info.len())?.to_be_bytes()),
                _ => bytes.extend(count("bytes of a component", info.len())?.to_be_bytes()),
            }
            bytes.extend(info);
            Ok((tag, bytes))
        });
        framed.collect::<Result<_, _>>().map(Self)
    }

    /// Tags and components in the order in which a card is sent them (JCVM 6.2).
    pub(crate) fn in_load_order(&self) -> impl Iterator<Item = &(u8, Vec<u8>)> {
        self.0.iter()
    }

    /// Length of the Load File Data Block without the Descriptor component.
    pub(crate) fn data_block_len(&self) -> usize {
        self.0.iter().filter(|(tag, _)| *tag != DESCRIPTOR).map(|(_, bytes)| bytes.len()).sum()
    }
}

/// Name of a component's file.
pub(crate) fn file_name(tag: u8) -> &'static str {
    match tag {
        HEADER => "Header.cap",
        DIRECTORY => "Directory.cap",
        APPLET => "Applet.cap",
        IMPORT => "Import.cap",
        CONSTANT_POOL => "ConstantPool.cap",
        CLASS => "Class.cap",
        METHOD => "Method.cap",
        STATIC_FIELD => "StaticField.cap",
        REFERENCE_LOCATION => "RefLocation.cap",
        DESCRIPTOR => "Descriptor.cap",
        STATIC_RESOURCES => "StaticResources.capx",
        _ => unreachable!("there are no components but those of `Components::new`"),
    }
}

/// Where everything is, before components are written.
struct Layout<'a> {
    builder: &'a CapBuilder,
    methods: Vec<Method>,
    /// info item of the Method component, with its references filled in.
    method: Vec<u8>,
    /// Offset of each method's method_info in the Method component, by the place in `methods`.
    offsets: Vec<u16>,
    by_id: HashMap<MethodId, u16>,
    pool: Vec<Constant>,
    /// Offsets of constant pool indices in the Method component, ascending: of one byte, and of two.
    byte_references: Vec<usize>,
    byte2_references: Vec<usize>,
}

impl<'a> Layout<'a> {
    fn new(builder: &'a CapBuilder, fillers: usize) -> Result<Self, CapgenError> {
        let classes = builder.applets.len();
        let methods = applet::methods(classes, fillers);
        // Instance fields come first: their instructions have room for an index of one byte.
        let mut pool: Vec<Constant> = (0..classes).map(|class| Constant::InstanceField { class }).collect();
        let mut indices: HashMap<Constant, usize> = pool.iter().copied().zip(0..).collect();
        // handler_count: there are no exception handlers.
        let mut method = vec![0];
        let mut offsets = Vec::new();
        let (mut byte_references, mut byte2_references) = (Vec::new(), Vec::new());
        for each in &methods {
            offsets.push(count("bytes of methods", method.len())?);
            method.extend([each.code.max_stack, each.nargs << 4 | each.max_locals]);
            let start = method.len();
            method.extend(&each.code.bytes);
            for reference in &each.code.references {
                let index = *indices.entry(reference.constant).or_insert_with(|| {
                    pool.push(reference.constant);
                    pool.len() - 1
                });
                let index = count("constants", index)?.to_be_bytes();
                let place = start + reference.offset;
                if reference.wide {
                    method[place..place + 2].copy_from_slice(&index);
                    byte2_references.push(place);
                } else {
                    method[place] = index[1];
                    byte_references.push(place);
                }
            }
        }
        let by_id = methods.iter().map(|method| method.id).zip(offsets.iter().copied()).collect();
        Ok(Self { builder, methods, method, offsets, by_id, pool, byte_references, byte2_references })
    }

    fn header(&self) -> Vec<u8> {
        let CapBuilder { format, package, name, .. } = self.builder;
        // ACC_APPLET
        let mut info = vec![0xDE, 0xCA, 0xFF, 0xED, format.minor(), 2, 0x04];
        push_package(&mut info, package);
        if *format != Format::V2_1 {
            info.push(name.len() as u8);
            info.extend(name.bytes());
        }
        info
    }

    fn directory(&self, infos: &[(u8, Vec<u8>)]) -> Result<Vec<u8>, CapgenError> {
        let (listed, len) = match self.builder.format {
            Format::V2_1 => (11, 31),
            Format::V2_2 => (12, 33),
            Format::V2_3 => (12, 37),
        };
        let size = |tag| match infos.iter().find(|(each, _)| *each == tag) {
            Some((_, info)) => info.len(),
            None if tag == DIRECTORY => len,
            None => 0,
        };
        let mut info = Vec::new();
        for tag in 1..=listed {
            info.extend(count("bytes of a component", size(tag))?.to_be_bytes());
        }
        if self.builder.format == Format::V2_3 {
            info.extend(long_count("bytes of static resources", size(STATIC_RESOURCES))?.to_be_bytes());
        }
        // static_field_size: image, array initialisers and their bytes.
        for item in [STATIC_IMAGE_LEN, 1, GREETING.len() as u16] {
            info.extend(item.to_be_bytes());
        }
        info.extend([self.builder.imports.len() as u8, self.builder.applets.len() as u8, 0]);
        Ok(info)
    }

    fn import(&self) -> Vec<u8> {
        let mut info = vec![self.builder.imports.len() as u8];
        self.builder.imports.iter().for_each(|package| push_package(&mut info, package));
        info
    }

    fn applet(&self) -> Vec<u8> {
        let mut info = vec![self.builder.applets.len() as u8];
        for (class, aid) in self.builder.applets.iter().enumerate() {
            info.push(aid.as_bytes().len() as u8);
            info.extend(aid.as_bytes());
            info.extend(self.by_id[&MethodId::Install { class }].to_be_bytes());
        }
        info
    }

    fn class(&self) -> Vec<u8> {
        // signature_pool_length, which format 2.1 does not have.
        let mut info = match self.builder.format {
            Format::V2_1 => vec![],
            Format::V2_2 | Format::V2_3 => vec![0, 0],
        };
        for class in 0..self.builder.applets.len() {
            // No flags, no interfaces.
            info.push(0);
            info.extend(framework_class(framework::APPLET));
            // One short; no references; one public virtual method; no package-visible ones.
            info.extend([1, 0xFF, 0, framework::APPLET_PROCESS, 1, 0, 0]);
            info.extend(self.by_id[&MethodId::Process { class }].to_be_bytes());
        }
        info
    }

    /// Offset of a class in the Class component: the internal class_ref.
    fn class_ref(&self, class: usize) -> [u8; 2] {
        let base = if self.builder.format == Format::V2_1 { 0 } else { 2 };
        // At most 128 classes of 12 bytes.
        ((base + class * CLASS_INFO_LEN) as u16).to_be_bytes()
    }

    fn constant_pool(&self) -> Vec<u8> {
        let mut info = (self.pool.len() as u16).to_be_bytes().to_vec();
        for constant in &self.pool {
            let entry = match *constant {
                Constant::Class(class) => [&[1][..], &self.class_ref(class), &[0]].concat(),
                Constant::InstanceField { class } => [&[2][..], &self.class_ref(class), &[0]].concat(),
                Constant::FrameworkVirtual { class, token } => [&[3][..], &framework_class(class), &[token]].concat(),
                Constant::StaticField { offset } => [&[5, 0][..], &offset.to_be_bytes()].concat(),
                Constant::FrameworkStatic { class, token } => [&[6][..], &framework_class(class), &[token]].concat(),
                Constant::Method(id) => [&[6, 0][..], &self.by_id[&id].to_be_bytes()].concat(),
            };
            info.extend(entry);
        }
        info
    }

    fn reference_location(&self) -> Result<Vec<u8>, CapgenError> {
        let mut info = Vec::new();
        for places in [&self.byte_references, &self.byte2_references] {
            let mut jumps: Vec<u8> = Vec::new();
            let mut last = 0;
            for place in places {
                let mut jump = place - last;
                // 255 goes on without a reference (JCVM 6.11).
                while jump >= 255 {
                    jumps.push(255);
                    jump -= 255;
                }
                jumps.push(jump as u8);
                last = *place;
            }
            info.extend(count("references", jumps.len())?.to_be_bytes());
            info.extend(jumps);
        }
        Ok(info)
    }

    fn descriptor(&self) -> Vec<u8> {
        let classes = self.builder.applets.len();
        let mut types = Types::new(self.pool.len());
        let mut info = vec![classes as u8];
        for class in 0..classes {
            let methods: Vec<_> =
                self.methods.iter().zip(&self.offsets).filter(|(method, _)| method.class == class).collect();
            info.extend([class as u8, access::PUBLIC]);
            info.extend(self.class_ref(class));
            // No interfaces; the first class has the static fields, too.
            info.extend([0, 0, if class == 0 { 3 } else { 1 }]);
            info.extend((methods.len() as u16).to_be_bytes());

            info.extend([0, access::PRIVATE]);
            info.extend(self.class_ref(class));
            info.push(0);
            info.extend(PRIMITIVE_SHORT.to_be_bytes());
            if class == 0 {
                for (offset, type_item) in [
                    (applet::GREETING_FIELD, types.offset(signature::BYTE_ARRAY)),
                    (applet::COUNTER_FIELD, PRIMITIVE_SHORT),
                ] {
                    info.extend([0xFF, access::STATIC, 0]);
                    info.extend(offset.to_be_bytes());
                    info.extend(type_item.to_be_bytes());
                }
            }
            for (method, offset) in methods {
                info.extend([method.token, method.flags]);
                let bytecode_count = method.code.bytes.len() as u16;
                for item in [*offset, types.offset(method.signature), bytecode_count, 0, 0] {
                    info.extend(item.to_be_bytes());
                }
            }
        }
        info.extend((self.pool.len() as u16).to_be_bytes());
        for constant in &self.pool {
            let offset = self.constant_type(constant).map_or(0xFFFF, |nibbles| types.offset(nibbles));
            info.extend(offset.to_be_bytes());
        }
        info.extend(types.bytes);
        info
    }

    /// Identifiers and lengths, then the resources in the same order.
    fn static_resources(&self) -> Result<Option<Vec<u8>>, CapgenError> {
        let resources = &self.builder.resources;
        if resources.is_empty() {
            return Ok(None);
        }
        let mut info = count("static resources", resources.len())?.to_be_bytes().to_vec();
        for (id, content) in resources {
            info.extend(id.to_be_bytes());
            info.extend(long_count("bytes of a static resource", content.len())?.to_be_bytes());
        }
        resources.iter().for_each(|(_, content)| info.extend(content));
        Ok(Some(info))
    }

    /// Type or signature of a constant; classes have none.
    fn constant_type(&self, constant: &Constant) -> Option<&'static [u8]> {
        use framework::*;
        Some(match *constant {
            Constant::Class(_) => return None,
            Constant::InstanceField { .. } | Constant::StaticField { offset: applet::COUNTER_FIELD } => {
                signature::SHORT
            }
            Constant::StaticField { .. } => signature::BYTE_ARRAY,
            Constant::Method(MethodId::Constructor { .. } | MethodId::Install { .. }) => {
                signature::INSTALL_PARAMETERS_TO_VOID
            }
            Constant::Method(MethodId::Process { .. }) => signature::APDU_TO_VOID,
            Constant::Method(MethodId::Mix | MethodId::Filler(_)) => signature::SHORT_SHORT_TO_SHORT,
            Constant::FrameworkStatic { class, .. } => match class {
                framework::APPLET => signature::TO_VOID,
                ISO_EXCEPTION => signature::SHORT_TO_VOID,
                _ => signature::ARRAY_COPY,
            },
            Constant::FrameworkVirtual { class, token } => match (class, token) {
                (framework::APPLET, APPLET_REGISTER) => signature::INSTALL_PARAMETERS_TO_VOID,
                (framework::APPLET, _) => signature::TO_BOOLEAN,
                (_, APDU_GET_BUFFER) => signature::TO_BYTE_ARRAY,
                (_, APDU_SET_INCOMING_AND_RECEIVE) => signature::TO_SHORT,
                _ => signature::SHORT_SHORT_TO_VOID,
            },
        })
    }
}

/// image_size: the reference to the greeting and the counter.
const STATIC_IMAGE_LEN: u16 = 4;

fn static_field() -> Vec<u8> {
    let mut info = Vec::new();
    // image_size, reference_count, array_init_count; then an array of bytes (type 3).
    for item in [STATIC_IMAGE_LEN, 1, 1] {
        info.extend(item.to_be_bytes());
    }
    info.push(3);
    info.extend((GREETING.len() as u16).to_be_bytes());
    info.extend(GREETING);
    // default_value_count: the counter's two bytes; no non-default values.
    info.extend([0, 2, 0, 0]);
    info
}

/// type_desc of the Descriptor component: each type once.
struct Types {
    base: usize,
    known: HashMap<&'static [u8], u16>,
    bytes: Vec<u8>,
}

impl Types {
    fn new(constants: usize) -> Self {
        Self { base: 2 + 2 * constants, known: HashMap::new(), bytes: Vec::new() }
    }

    /// Offset from the start of the type_descriptor_info.
    fn offset(&mut self, nibbles: &'static [u8]) -> u16 {
        *self.known.entry(nibbles).or_insert_with(|| {
            // At most 16 000 constants (4 bytes each in 64 KB) and a dozen types.
            let offset = (self.base + self.bytes.len()) as u16;
            self.bytes.push(nibbles.len() as u8);
            self.bytes.extend(nibbles.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)));
            offset
        })
    }
}

fn push_package(info: &mut Vec<u8>, package: &Package) {
    info.extend([package.minor, package.major, package.aid.as_bytes().len() as u8]);
    info.extend(package.aid.as_bytes());
}

/// A count as its item of two bytes.
fn count(what: &'static str, actual: usize) -> Result<u16, CapgenError> {
    u16::try_from(actual).map_err(|_| CapgenError::TooMany { what, actual, limit: 0xFFFF })
}

/// A count as its item of four bytes.
fn long_count(what: &'static str, actual: usize) -> Result<u32, CapgenError> {
    u32::try_from(actual).map_err(|_| CapgenError::TooMany { what, actual, limit: 0xFFFF_FFFF })
}
