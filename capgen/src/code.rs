//! Bytecode, as far as the generated applets need it (JCVM 7), with the depth of the operand stack kept along.

/// What an instruction refers to through the constant pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Constant {
    /// A class of this package, by its number.
    Class(usize),
    /// The one instance field of a class of this package.
    InstanceField { class: usize },
    /// A static field of this package, by its offset in the image.
    StaticField { offset: u16 },
    /// A constructor or static method of this package.
    Method(MethodId),
    /// A virtual method of `javacard.framework`.
    FrameworkVirtual { class: u8, token: u8 },
    /// A constructor or static method of `javacard.framework`.
    FrameworkStatic { class: u8, token: u8 },
}

/// A method of this package that others call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MethodId {
    Constructor { class: usize },
    Install { class: usize },
    Process { class: usize },
    Mix,
    Filler(usize),
}

/// A constant pool index in the code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    /// Where the index is, in bytes from the first instruction.
    pub(crate) offset: usize,
    /// Whether it has two bytes.
    pub(crate) wide: bool,
    pub(crate) constant: Constant,
}

/// The instructions of one method.
#[derive(Clone, Debug, Default)]
pub(crate) struct Code {
    pub(crate) bytes: Vec<u8>,
    pub(crate) references: Vec<Reference>,
    pub(crate) max_stack: u8,
    depth: u8,
}

/// A place that a branch forward goes to.
#[must_use]
pub(crate) struct Forward {
    opcode: usize,
}

/// A place that a branch backward goes to.
#[derive(Clone, Copy)]
pub(crate) struct Backward {
    target: usize,
}

/// An instruction without operands, with the words that it takes from and puts on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Op(u8, u8, u8);

impl Op {
    pub(crate) const ALOAD_0: Self = Self(0x18, 0, 1);
    pub(crate) const ALOAD_1: Self = Self(0x19, 0, 1);
    pub(crate) const ALOAD_2: Self = Self(0x1A, 0, 1);
    pub(crate) const SLOAD_0: Self = Self(0x1C, 0, 1);
    pub(crate) const SLOAD_1: Self = Self(0x1D, 0, 1);
    pub(crate) const SLOAD_2: Self = Self(0x1E, 0, 1);
    pub(crate) const SLOAD_3: Self = Self(0x1F, 0, 1);
    pub(crate) const ASTORE_2: Self = Self(0x2D, 1, 0);
    pub(crate) const SSTORE_0: Self = Self(0x2F, 1, 0);
    pub(crate) const SSTORE_2: Self = Self(0x31, 1, 0);
    pub(crate) const SSTORE_3: Self = Self(0x32, 1, 0);
    pub(crate) const SCONST_0: Self = Self(0x03, 0, 1);
    pub(crate) const SCONST_1: Self = Self(0x04, 0, 1);
    pub(crate) const BALOAD: Self = Self(0x25, 2, 1);
    pub(crate) const POP: Self = Self(0x3B, 1, 0);
    pub(crate) const DUP: Self = Self(0x3D, 1, 2);
    pub(crate) const SADD: Self = Self(0x41, 2, 1);
    pub(crate) const SMUL: Self = Self(0x45, 2, 1);
    pub(crate) const SNEG: Self = Self(0x4B, 1, 1);
    pub(crate) const SUSHR: Self = Self(0x51, 2, 1);
    pub(crate) const SXOR: Self = Self(0x57, 2, 1);
    pub(crate) const SRETURN: Self = Self(0x78, 1, 0);
    pub(crate) const RETURN: Self = Self(0x7A, 0, 0);
    pub(crate) const ARRAYLENGTH: Self = Self(0x92, 1, 1);
}

/// A conditional branch with an offset of one byte, with the words that it takes from the stack.
#[derive(Clone, Copy)]
pub(crate) struct Branch(u8, u8);

impl Branch {
    pub(crate) const IFEQ: Self = Self(0x60, 1);
    pub(crate) const IFGE: Self = Self(0x63, 1);
    pub(crate) const IFGT: Self = Self(0x64, 1);
    pub(crate) const IF_SCMPEQ: Self = Self(0x6A, 2);
}

impl Code {
    pub(crate) fn ops(&mut self, ops: &[Op]) -> &mut Self {
        for Op(opcode, takes, puts) in ops {
            self.bytes.push(*opcode);
            self.stack(*takes, *puts);
        }
        self
    }

    pub(crate) fn bspush(&mut self, value: i8) -> &mut Self {
        self.bytes.extend([0x10, value as u8]);
        self.stack(0, 1);
        self
    }

    pub(crate) fn sspush(&mut self, value: i16) -> &mut Self {
        self.bytes.push(0x11);
        self.bytes.extend(value.to_be_bytes());
        self.stack(0, 1);
        self
    }

    pub(crate) fn sinc(&mut self, local: u8, by: i8) -> &mut Self {
        self.bytes.extend([0x59, local, by as u8]);
        self
    }

    pub(crate) fn getstatic_a(&mut self, offset: u16) -> &mut Self {
        self.refer(0x7B, 0, 1, Constant::StaticField { offset })
    }

    pub(crate) fn getstatic_s(&mut self, offset: u16) -> &mut Self {
        self.refer(0x7D, 0, 1, Constant::StaticField { offset })
    }

    pub(crate) fn putstatic_s(&mut self, offset: u16) -> &mut Self {
        self.refer(0x81, 1, 0, Constant::StaticField { offset })
    }

    /// The field of the object in local variable 0.
    pub(crate) fn getfield_s_this(&mut self, class: usize) -> &mut Self {
        self.refer_short(0xAF, 0, 1, Constant::InstanceField { class })
    }

    pub(crate) fn putfield_s_this(&mut self, class: usize) -> &mut Self {
        self.refer_short(0xB7, 1, 0, Constant::InstanceField { class })
    }

    /// `takes` counts the object, too.
    pub(crate) fn invokevirtual(&mut self, class: u8, token: u8, takes: u8, puts: u8) -> &mut Self {
        self.refer(0x8B, takes, puts, Constant::FrameworkVirtual { class, token })
    }

    pub(crate) fn invokespecial(&mut self, constructor: Constant, takes: u8) -> &mut Self {
        self.refer(0x8C, takes, 0, constructor)
    }

    pub(crate) fn invokestatic(&mut self, method: Constant, takes: u8, puts: u8) -> &mut Self {
        self.refer(0x8D, takes, puts, method)
    }

    pub(crate) fn new_object(&mut self, class: usize) -> &mut Self {
        self.refer(0x8F, 0, 1, Constant::Class(class))
    }

    /// A branch to a place further on, which [`land`](Self::land) names.
    pub(crate) fn branch(&mut self, Branch(opcode, takes): Branch) -> Forward {
        self.stack(takes, 0);
        self.bytes.extend([opcode, 0]);
        Forward { opcode: self.bytes.len() - 2 }
    }

    pub(crate) fn land(&mut self, branch: Forward) -> &mut Self {
        let distance = self.bytes.len() - branch.opcode;
        self.bytes[branch.opcode + 1] = i8::try_from(distance).expect("the generated branches are short") as u8;
        self
    }

    pub(crate) fn here(&self) -> Backward {
        Backward { target: self.bytes.len() }
    }

    pub(crate) fn branch_back(&mut self, Branch(opcode, takes): Branch, to: Backward) -> &mut Self {
        self.stack(takes, 0);
        let distance = i8::try_from(self.bytes.len() - to.target).expect("the generated loops are short");
        self.bytes.extend([opcode, (-distance) as u8]);
        self
    }

    fn refer(&mut self, opcode: u8, takes: u8, puts: u8, constant: Constant) -> &mut Self {
        self.references.push(Reference { offset: self.bytes.len() + 1, wide: true, constant });
        self.bytes.extend([opcode, 0, 0]);
        self.stack(takes, puts);
        self
    }

    fn refer_short(&mut self, opcode: u8, takes: u8, puts: u8, constant: Constant) -> &mut Self {
        self.references.push(Reference { offset: self.bytes.len() + 1, wide: false, constant });
        self.bytes.extend([opcode, 0]);
        self.stack(takes, puts);
        self
    }

    fn stack(&mut self, takes: u8, puts: u8) {
        self.depth = self.depth.checked_sub(takes).expect("the generated code takes only what is on the stack") + puts;
        self.max_stack = self.max_stack.max(self.depth);
    }
}
