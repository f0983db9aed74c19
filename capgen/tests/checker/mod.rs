//! Checks that the components of a CAP file agree with each other. It shares nothing with the writer: it has its own
//! reading of JCVM 6 and 7, and is held against packages that a foreign converter wrote.

use std::collections::{BTreeMap, BTreeSet};

/// Constant pool tags (JCVM 6.7, table 6-5).
const CLASSREF: u8 = 1;
const INSTANCE_FIELDREF: u8 = 2;
const VIRTUAL_METHODREF: u8 = 3;
const SUPER_METHODREF: u8 = 4;
const STATIC_FIELDREF: u8 = 5;
const STATIC_METHODREF: u8 = 6;

/// What the checker has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) classes: usize,
    pub(crate) methods: usize,
    pub(crate) instructions: usize,
    pub(crate) references: usize,
}

/// Panics, saying what is wrong, unless the components of this image agree.
pub(crate) fn check(image: &[u8]) -> Seen {
    let package = Package::new(image);
    package.check_directory();
    package.check_constant_pool();
    package.check_classes();
    package.check_applets();
    package.check_methods()
}

struct Package {
    components: BTreeMap<u8, Vec<u8>>,
    minor: u8,
    imports: usize,
    constants: Vec<[u8; 4]>,
    /// Nibbles of the constants' types.
    constant_types: Vec<Option<Vec<u8>>>,
    classes: Vec<Class>,
}

struct Class {
    offset: usize,
    fields: Vec<[u8; 7]>,
    methods: Vec<Method>,
}

struct Method {
    token: u8,
    flags: u8,
    offset: usize,
    signature: Vec<u8>,
    bytecode_count: usize,
}

impl Method {
    fn is_static(&self) -> bool {
        self.flags & 0x08 != 0
    }
}

fn u2(bytes: &[u8], offset: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[offset], bytes[offset + 1]]))
}

fn u4(bytes: &[u8], offset: usize) -> usize {
    (u2(bytes, offset) << 16) + u2(bytes, offset + 2)
}

impl Package {
    fn new(mut image: &[u8]) -> Self {
        let mut components = BTreeMap::new();
        while !image.is_empty() {
            let (prefix, size) = match image[0] {
                13 => (5, u4(image, 1)),
                _ => (3, u2(image, 1)),
            };
            let (component, rest) = image.split_at(prefix + size);
            assert!(components.insert(component[0], component[prefix..].to_vec()).is_none(), "component twice");
            image = rest;
        }
        let pool = &components[&5];
        assert_eq!(pool.len(), 2 + 4 * u2(pool, 0), "size of the constant pool");
        let constants: Vec<[u8; 4]> = pool[2..].chunks(4).map(|entry| entry.try_into().unwrap()).collect();
        let (classes, constant_types) = descriptor(&components[&11], constants.len());
        let (minor, imports) = (components[&1][4], components[&4][0].into());
        Self { components, minor, imports, constants, constant_types, classes }
    }

    fn methods(&self) -> impl Iterator<Item = &Method> {
        self.classes.iter().flat_map(|class| &class.methods)
    }

    fn check_directory(&self) {
        let directory = &self.components[&2];
        let listed = if self.minor >= 2 { 12 } else { 11 };
        for tag in 1..=listed {
            let size = self.components.get(&tag).map_or(0, Vec::len);
            assert_eq!(u2(directory, 2 * (usize::from(tag) - 1)), size, "directory size of component {tag}");
        }
        let mut rest = &directory[2 * usize::from(listed)..];
        if self.minor >= 3 {
            let size = self.components.get(&13).map_or(0, Vec::len);
            assert_eq!(u4(rest, 0), size, "directory size of static resources");
            rest = &rest[4..];
        } else {
            assert!(!self.components.contains_key(&13), "static resources before format 2.3");
        }
        let fields = &self.components[&8];
        let (image, references, arrays) = (u2(fields, 0), u2(fields, 2), u2(fields, 4));
        let (mut offset, mut array_bytes) = (6, 0);
        for _ in 0..arrays {
            array_bytes += u2(fields, offset + 1);
            offset += 3 + u2(fields, offset + 1);
        }
        let (default, non_default) = (u2(fields, offset), u2(fields, offset + 2));
        assert_eq!(fields.len(), offset + 4 + non_default, "size of the static fields");
        assert_eq!(image, 2 * references + default + non_default, "size of the static field image");
        assert!(arrays <= references);
        assert_eq!((u2(rest, 0), u2(rest, 2), u2(rest, 4)), (image, arrays, array_bytes), "static_field_size");
        let applets = self.components.get(&3).map_or(0, |applet| applet[0]);
        assert_eq!(rest[6..], [self.imports as u8, applets, 0], "counts of the directory");
    }

    fn check_constant_pool(&self) {
        let class_offsets: BTreeSet<usize> = self.classes.iter().map(|class| class.offset).collect();
        let static_methods: BTreeMap<usize, &Method> = self.methods().map(|method| (method.offset, method)).collect();
        let image_len = u2(&self.components[&8], 0);
        for (index, (constant, signature)) in self.constants.iter().zip(&self.constant_types).enumerate() {
            let [tag, high, low, last] = *constant;
            if high & 0x80 != 0 {
                assert!(usize::from(high & 0x7F) < self.imports, "constant {index} is of an unknown package");
            }
            let internal = high & 0x80 == 0;
            match tag {
                CLASSREF | INSTANCE_FIELDREF | VIRTUAL_METHODREF | SUPER_METHODREF => {
                    let class = u2(constant, 1);
                    assert!(!internal || class_offsets.contains(&class), "constant {index} is of no class");
                    assert!(tag != CLASSREF || last == 0, "padding of constant {index}");
                }
                STATIC_FIELDREF if internal => {
                    assert_eq!(high, 0);
                    assert!(u2(constant, 2) < image_len, "constant {index} is of no static field");
                    let known = |field: &&[u8; 7]| field[1] & 8 != 0 && field[2..5] == constant[1..];
                    assert_eq!(self.classes.iter().flat_map(|class| &class.fields).filter(known).count(), 1);
                }
                STATIC_METHODREF if internal => {
                    assert_eq!(high, 0);
                    let method = static_methods.get(&u2(constant, 2)).expect("constant is of a method");
                    assert_eq!(Some(&method.signature), signature.as_ref(), "signature of constant {index}");
                }
                STATIC_FIELDREF | STATIC_METHODREF => {}
                _ => panic!("constant {index} has tag {tag} {low}"),
            }
            assert_eq!(signature.is_none(), tag == CLASSREF, "type of constant {index}");
            if matches!(tag, VIRTUAL_METHODREF | SUPER_METHODREF | STATIC_METHODREF) {
                types(signature.as_ref().unwrap());
            }
        }
    }

    fn check_classes(&self) {
        let class = &self.components[&6];
        let mut offset = if self.minor >= 2 { 2 + u2(class, 0) } else { 0 };
        for described in &self.classes {
            assert_eq!(described.offset, offset, "class offset");
            assert_eq!(class[offset], 0, "flags and interfaces");
            assert!(usize::from(class[offset + 1] & 0x7F) < self.imports, "superclass");
            let instance_words = described.fields.iter().filter(|field| field[1] & 8 == 0).count();
            assert_eq!(usize::from(class[offset + 3]), instance_words, "declared_instance_size");
            let (base, count) = (class[offset + 6], usize::from(class[offset + 7]));
            assert_eq!(class[offset + 9], 0, "package-visible methods");
            for index in 0..count {
                let place = u2(class, offset + 10 + 2 * index);
                let method = described.methods.iter().find(|method| method.offset == place).expect("a virtual method");
                assert_eq!(usize::from(method.token), usize::from(base) + index, "token of a virtual method");
                assert!(!method.is_static());
            }
            offset += 10 + 2 * count;
        }
        assert_eq!(class.len(), offset, "size of the class component");
    }

    fn check_applets(&self) {
        let Some(applet) = self.components.get(&3) else { return };
        let mut offset = 1;
        for _ in 0..applet[0] {
            offset += 1 + usize::from(applet[offset]);
            let install = u2(applet, offset);
            let method = self.methods().find(|method| method.offset == install).expect("install is a method");
            // public static, ([BSB)V
            assert_eq!((method.flags, &method.signature[..]), (0x09, &[0xB, 4, 3, 1][..]));
            offset += 2;
        }
        assert_eq!(applet.len(), offset);
    }

    fn check_methods(&self) -> Seen {
        let component = &self.components[&7];
        assert_eq!(component[0], 0, "the checker knows no exception handlers");
        let mut methods: Vec<&Method> = self.methods().collect();
        methods.sort_by_key(|method| method.offset);
        let mut seen = Seen { classes: self.classes.len(), methods: methods.len(), ..Seen::default() };
        let (mut narrow, mut wide) = (Vec::new(), Vec::new());
        let mut used = BTreeSet::new();
        let mut next = 1;
        for method in methods {
            assert_eq!(method.offset, next, "methods follow each other");
            let code = &component[next + 2..next + 2 + method.bytecode_count];
            let header = Frame::new(&component[next..next + 2], method);
            seen.instructions += self.check_code(code, &header);
            walk(code, |at, opcode| {
                let Some((place, is_wide, tags)) = operand(opcode) else { return };
                let index = if is_wide { u2(code, at + place) } else { code[at + place].into() };
                let constant = self.constants.get(index).expect("a constant");
                assert!(tags.contains(&constant[0]), "opcode {opcode:02X} refers to a constant of tag {}", constant[0]);
                used.insert(index);
                if is_wide { &mut wide } else { &mut narrow }.push(next + 2 + at + place);
            });
            next += 2 + method.bytecode_count;
        }
        assert_eq!(component.len(), next, "size of the method component");
        seen.references = narrow.len() + wide.len();

        let locations = &self.components[&9];
        let (listed_narrow, rest) = jumps(locations);
        let (listed_wide, rest) = jumps(rest);
        assert!(rest.is_empty());
        assert_eq!((listed_narrow, listed_wide), (narrow, wide), "reference locations");
        assert_eq!(used.len(), self.constants.len(), "constants that nobody uses");
        seen
    }

    /// Follows every path through the code: instructions, branch targets, operand stack, local variables.
    fn check_code(&self, code: &[u8], frame: &Frame) -> usize {
        let mut starts = BTreeSet::new();
        walk(code, |at, _| {
            starts.insert(at);
        });
        let mut depths: BTreeMap<usize, usize> = BTreeMap::new();
        let mut open = vec![(0, 0)];
        let mut deepest = 0;
        while let Some((at, depth)) = open.pop() {
            assert!(starts.contains(&at), "a branch goes into an instruction");
            if let Some(known) = depths.insert(at, depth) {
                assert_eq!(known, depth, "stack depth where paths meet");
                continue;
            }
            let opcode = code[at];
            let (takes, puts) = self.stack_effect(code, at, frame);
            assert!(takes <= depth, "opcode {opcode:02X} takes more than is there");
            let depth = depth - takes + puts;
            deepest = deepest.max(depth);
            match opcode {
                0x77 | 0x78 | 0x7A | 0x93 => {
                    assert_eq!(depth, 0, "something is left on the stack");
                    continue;
                }
                0x60..=0x70 => {
                    let target = at as isize + isize::from(code[at + 1] as i8);
                    open.push((usize::try_from(target).expect("a branch stays in its method"), depth));
                    if opcode == 0x70 {
                        continue;
                    }
                }
                _ => {}
            }
            open.push((at + length(code, at), depth));
        }
        assert_eq!(depths.len(), starts.len(), "instructions that are never reached");
        assert_eq!(deepest, frame.max_stack, "max_stack");
        starts.len()
    }

    fn stack_effect(&self, code: &[u8], at: usize, frame: &Frame) -> (usize, usize) {
        let opcode = code[at];
        match opcode {
            0x18..=0x1F => frame.check_local((opcode - 0x18) % 4),
            0x2B..=0x32 => frame.check_local((opcode - 0x2B) % 4),
            0x15 | 0x16 | 0x28 | 0x29 | 0x59 => frame.check_local(code[at + 1]),
            _ => {}
        }
        match opcode {
            0x00 | 0x59 | 0x70 => (0, 0),
            0x01..=0x08 | 0x10 | 0x11 | 0x15 | 0x16 | 0x18..=0x1F | 0x7B..=0x7D | 0x8F | 0xAD..=0xAF => (0, 1),
            0x24..=0x26 => (2, 1),
            0x28 | 0x29 | 0x2B..=0x32 | 0x3B | 0x60..=0x67 | 0x7F..=0x81 | 0xB5..=0xB7 => (1, 0),
            0x37..=0x39 => (3, 0),
            0x3D => (1, 2),
            0x68..=0x6F => (2, 0),
            0x41 | 0x43 | 0x45 | 0x47 | 0x49 | 0x4D | 0x4F | 0x51 | 0x53 | 0x55 | 0x57 => (2, 1),
            0x4B | 0x5B | 0x83..=0x85 | 0x90..=0x92 => (1, 1),
            0x87..=0x89 => (2, 0),
            0x7A => {
                assert_eq!(frame.returns, 1, "return in a method that gives something");
                (0, 0)
            }
            0x77 | 0x78 => {
                assert_eq!(opcode == 0x78, matches!(frame.returns, 2..=4), "type that is returned");
                (1, 0)
            }
            0x8B..=0x8D => {
                let signature = self.constant_types[u2(code, at + 1)].as_ref().unwrap();
                let (arguments, returns) = types(signature);
                (arguments + usize::from(opcode != 0x8D), usize::from(returns != 1))
            }
            _ => panic!("the checker does not know opcode {opcode:02X}"),
        }
    }
}

/// What a method's header says (JCVM 6.9.2).
struct Frame {
    max_stack: usize,
    locals: u8,
    returns: u8,
}

impl Frame {
    fn new(header: &[u8], method: &Method) -> Self {
        assert_eq!(header[0] & 0xF0, 0, "flags of a method");
        let (arguments, returns) = types(&method.signature);
        let nargs = header[1] >> 4;
        assert_eq!(usize::from(nargs), arguments + usize::from(!method.is_static()), "nargs");
        Self { max_stack: header[0].into(), locals: nargs + (header[1] & 0x0F), returns }
    }

    fn check_local(&self, index: u8) {
        assert!(index < self.locals, "local variable {index} of {}", self.locals);
    }
}

/// Words of the arguments and first nibble of the result (JCVM 6.8.1).
fn types(signature: &[u8]) -> (usize, u8) {
    let mut list = Vec::new();
    let mut nibbles = signature.iter();
    while let Some(nibble) = nibbles.next() {
        assert!(matches!(nibble, 1..=4 | 6 | 0xA..=0xC | 0xE), "type {nibble:X}");
        list.push(*nibble);
        if matches!(nibble, 6 | 0xE) {
            nibbles.nth(3).expect("a class");
        }
    }
    let returns = list.pop().expect("a result");
    assert!(!list.contains(&1), "void as an argument");
    (list.len(), returns)
}

/// Descriptor component (JCVM 6.13).
fn descriptor(info: &[u8], constants: usize) -> (Vec<Class>, Vec<Option<Vec<u8>>>) {
    let mut offset = 1;
    let mut raw = Vec::new();
    for number in 0..info[0] {
        let (token, flags, class_offset) = (info[offset], info[offset + 1], u2(info, offset + 2));
        assert_eq!((token, flags & 1), (number, 1), "token of a public class");
        assert_eq!(info[offset + 4], 0, "the checker knows no interfaces");
        let (fields, methods) = (u2(info, offset + 5), u2(info, offset + 7));
        offset += 9;
        let (field_bytes, rest) = info[offset..].split_at(7 * fields);
        let method_bytes = &rest[..12 * methods];
        raw.push((class_offset, field_bytes, method_bytes));
        offset += 7 * fields + 12 * methods;
    }
    let types = &info[offset..];
    assert_eq!(u2(types, 0), constants, "constant_pool_count");
    let mut known = BTreeMap::new();
    let mut at = 2 + 2 * constants;
    while at < types.len() {
        let nibbles = usize::from(types[at]);
        let bytes = &types[at + 1..at + 1 + nibbles.div_ceil(2)];
        let mut all: Vec<u8> = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]).collect();
        assert!(all[nibbles..].iter().all(|nibble| *nibble == 0), "padding of a type");
        all.truncate(nibbles);
        known.insert(at, all);
        at += 1 + bytes.len();
    }
    assert_eq!(at, types.len());
    let of = |offset: usize| known.get(&offset).expect("a type").clone();
    let classes = raw.into_iter().map(|(offset, fields, methods)| Class {
        offset,
        fields: fields
            .chunks(7)
            .map(|field| {
                if field[5] & 0x80 == 0 {
                    of(u2(field, 5));
                }
                field.try_into().unwrap()
            })
            .collect(),
        methods: methods
            .chunks(12)
            .map(|method| {
                assert_eq!(method[8..], [0; 4], "exception handlers");
                Method {
                    token: method[0],
                    flags: method[1],
                    offset: u2(method, 2),
                    signature: of(u2(method, 4)),
                    bytecode_count: u2(method, 6),
                }
            })
            .collect(),
    });
    let classes = classes.collect();
    let constant_types = (0..constants).map(|index| match u2(types, 2 + 2 * index) {
        0xFFFF => None,
        offset => Some(of(offset)),
    });
    (classes, constant_types.collect())
}

/// One of the two lists of the ReferenceLocation component (JCVM 6.11), and what follows it.
fn jumps(bytes: &[u8]) -> (Vec<usize>, &[u8]) {
    let (list, rest) = bytes[2..].split_at(u2(bytes, 0));
    let (mut place, mut places) = (0, Vec::new());
    for jump in list {
        place += usize::from(*jump);
        if *jump != 255 {
            places.push(place);
        }
    }
    (places, rest)
}

fn walk(code: &[u8], mut each: impl FnMut(usize, u8)) {
    let mut at = 0;
    while at < code.len() {
        each(at, code[at]);
        at += length(code, at);
    }
    assert_eq!(at, code.len(), "the last instruction goes past the end");
}

/// Length of an instruction with its operands (JCVM 7.5).
fn length(code: &[u8], at: usize) -> usize {
    match code[at] {
        0x00..=0x0F | 0x18..=0x27 | 0x2B..=0x3E | 0x41..=0x58 | 0x5B..=0x5F | 0x77..=0x7A | 0x92 | 0x93 => 1,
        0x10 | 0x12 | 0x15..=0x17 | 0x28..=0x2A | 0x3F | 0x40 | 0x60..=0x70 | 0x72 => 2,
        0x83..=0x8A | 0x90 | 0xAD..=0xB0 | 0xB5..=0xB8 => 2,
        0x11 | 0x13 | 0x59 | 0x5A | 0x71 | 0x7B..=0x82 | 0x8B..=0x8D | 0x8F | 0x91 => 3,
        0x98..=0xAC | 0xB1..=0xB4 => 3,
        0x94..=0x97 => 4,
        0x14 | 0x8E => 5,
        opcode => panic!("the checker does not know opcode {opcode:02X}"),
    }
}

/// Where an instruction's constant pool index is, whether it has two bytes, and the tags it may refer to.
fn operand(opcode: u8) -> Option<(usize, bool, &'static [u8])> {
    Some(match opcode {
        0x7B..=0x82 => (1, true, &[STATIC_FIELDREF]),
        0x83..=0x8A | 0xAD..=0xB0 | 0xB5..=0xB8 => (1, false, &[INSTANCE_FIELDREF]),
        0xA9..=0xAC | 0xB1..=0xB4 => (1, true, &[INSTANCE_FIELDREF]),
        0x8B => (1, true, &[VIRTUAL_METHODREF]),
        0x8C => (1, true, &[SUPER_METHODREF, STATIC_METHODREF]),
        0x8D => (1, true, &[STATIC_METHODREF]),
        0x8E | 0x94 | 0x95 => (2, true, &[CLASSREF]),
        0x8F | 0x91 => (1, true, &[CLASSREF]),
        _ => return None,
    })
}
