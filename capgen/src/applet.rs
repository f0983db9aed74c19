//! The methods of the generated applets.

use crate::code::{Branch, Code, Constant, MethodId, Op};

/// A method, before it has a place.
pub(crate) struct Method {
    pub(crate) id: MethodId,
    /// Class that it belongs to, by number.
    pub(crate) class: usize,
    /// Method token, FF if it has none (JCVM 6.13.3).
    pub(crate) token: u8,
    /// Access flags of the Descriptor component.
    pub(crate) flags: u8,
    /// Arguments, the object included, in words.
    pub(crate) nargs: u8,
    /// Local variables that are no arguments, in words.
    pub(crate) max_locals: u8,
    pub(crate) signature: &'static [u8],
    pub(crate) code: Code,
}

/// Nibbles of types and signatures (JCVM 6.8.1, table 6-6). `APDU` is package 0, class 10.
pub(crate) mod signature {
    pub(crate) const SHORT: &[u8] = &[4];
    pub(crate) const BYTE_ARRAY: &[u8] = &[0xB];
    pub(crate) const TO_VOID: &[u8] = &[1];
    pub(crate) const TO_BOOLEAN: &[u8] = &[2];
    pub(crate) const TO_SHORT: &[u8] = &[4];
    pub(crate) const TO_BYTE_ARRAY: &[u8] = &[0xB];
    pub(crate) const SHORT_TO_VOID: &[u8] = &[4, 1];
    pub(crate) const SHORT_SHORT_TO_VOID: &[u8] = &[4, 4, 1];
    pub(crate) const SHORT_SHORT_TO_SHORT: &[u8] = &[4, 4, 4];
    pub(crate) const INSTALL_PARAMETERS_TO_VOID: &[u8] = &[0xB, 4, 3, 1];
    pub(crate) const APDU_TO_VOID: &[u8] = &[6, 8, 0, 0, 0xA, 1];
    pub(crate) const ARRAY_COPY: &[u8] = &[0xB, 4, 0xB, 4, 4, 4];
}

/// Access flags of the Descriptor component (JCVM 6.13.1 to 6.13.3).
pub(crate) mod access {
    pub(crate) const PUBLIC: u8 = 0x01;
    pub(crate) const PRIVATE: u8 = 0x02;
    pub(crate) const STATIC: u8 = 0x08;
    pub(crate) const INIT: u8 = 0x80;
}

/// Class and method tokens of `javacard.framework`, as its export file numbers them.
pub(crate) mod framework {
    pub(crate) const APPLET: u8 = 3;
    pub(crate) const APPLET_INIT: u8 = 0;
    pub(crate) const APPLET_REGISTER: u8 = 2;
    pub(crate) const APPLET_SELECTING_APPLET: u8 = 3;
    pub(crate) const APPLET_PROCESS: u8 = 7;
    pub(crate) const ISO_EXCEPTION: u8 = 7;
    pub(crate) const ISO_EXCEPTION_THROW_IT: u8 = 1;
    pub(crate) const APDU: u8 = 10;
    pub(crate) const APDU_GET_BUFFER: u8 = 1;
    pub(crate) const APDU_SET_INCOMING_AND_RECEIVE: u8 = 6;
    pub(crate) const APDU_SET_OUTGOING_AND_SEND: u8 = 8;
    pub(crate) const UTIL: u8 = 16;
    pub(crate) const UTIL_ARRAY_COPY_NON_ATOMIC: u8 = 2;
}

/// What the static array holds: the answer to every command.
pub(crate) const GREETING: &[u8] = b"cardwright";
/// Offset of the static array's reference in the static field image.
pub(crate) const GREETING_FIELD: u16 = 0;
/// Offset of the static counter in the static field image.
pub(crate) const COUNTER_FIELD: u16 = 2;

/// More than a filler adds to all components together, in bytes.
pub(crate) const MAX_FILLER_COST: usize = 160;

/// All methods, class by class; the first class has the fillers and the method that calls them.
pub(crate) fn methods(classes: usize, fillers: usize) -> Vec<Method> {
    let mut methods = Vec::new();
    for class in 0..classes {
        methods.extend([constructor(class), install(class), process(class)]);
        if class == 0 {
            methods.push(mix(fillers));
            methods.extend((0..fillers).map(filler));
        }
    }
    methods
}

/// `private <init>(byte[] parameters, short offset, byte length)`: registers under the AID that the parameters give.
fn constructor(class: usize) -> Method {
    let init = Constant::FrameworkStatic { class: framework::APPLET, token: framework::APPLET_INIT };
    let mut code = Code::default();
    code.ops(&[Op::ALOAD_0]).invokespecial(init, 1);
    code.ops(&[Op::ALOAD_0, Op::ALOAD_1, Op::SLOAD_2, Op::SCONST_1, Op::SADD]);
    code.ops(&[Op::ALOAD_1, Op::SLOAD_2, Op::BALOAD]);
    code.invokevirtual(framework::APPLET, framework::APPLET_REGISTER, 4, 0).ops(&[Op::RETURN]);
    Method {
        id: MethodId::Constructor { class },
        class,
        token: 0xFF,
        flags: access::PRIVATE | access::INIT,
        nargs: 4,
        max_locals: 0,
        signature: signature::INSTALL_PARAMETERS_TO_VOID,
        code,
    }
}

/// `public static install(byte[] parameters, short offset, byte length)`.
fn install(class: usize) -> Method {
    let mut code = Code::default();
    code.new_object(class).ops(&[Op::DUP, Op::ALOAD_0, Op::SLOAD_1, Op::SLOAD_2]);
    code.invokespecial(Constant::Method(MethodId::Constructor { class }), 4).ops(&[Op::POP, Op::RETURN]);
    Method {
        id: MethodId::Install { class },
        class,
        token: 0,
        flags: access::PUBLIC | access::STATIC,
        nargs: 3,
        max_locals: 0,
        signature: signature::INSTALL_PARAMETERS_TO_VOID,
        code,
    }
}

/// `public process(APDU apdu)`: answers INS 10 with the greeting and counts, others with 6D00.
fn process(class: usize) -> Method {
    let throw_it =
        Constant::FrameworkStatic { class: framework::ISO_EXCEPTION, token: framework::ISO_EXCEPTION_THROW_IT };
    let array_copy = Constant::FrameworkStatic { class: framework::UTIL, token: framework::UTIL_ARRAY_COPY_NON_ATOMIC };
    let mut code = Code::default();
    code.ops(&[Op::ALOAD_0]).invokevirtual(framework::APPLET, framework::APPLET_SELECTING_APPLET, 1, 1);
    let not_selecting = code.branch(Branch::IFEQ);
    code.ops(&[Op::RETURN]).land(not_selecting);

    code.ops(&[Op::ALOAD_1]).invokevirtual(framework::APDU, framework::APDU_GET_BUFFER, 1, 1).ops(&[Op::ASTORE_2]);
    code.ops(&[Op::ALOAD_2, Op::SCONST_1, Op::BALOAD, Op::SSTORE_3, Op::SLOAD_3]).bspush(0x10);
    let known = code.branch(Branch::IF_SCMPEQ);
    code.sspush(0x6D00).invokestatic(throw_it, 1, 0).ops(&[Op::RETURN]).land(known);

    code.getfield_s_this(class).ops(&[Op::SCONST_1, Op::SADD]).putfield_s_this(class);
    code.getfield_s_this(class).getstatic_s(COUNTER_FIELD);
    code.invokestatic(Constant::Method(MethodId::Mix), 2, 1).putstatic_s(COUNTER_FIELD);

    code.ops(&[Op::ALOAD_1]).invokevirtual(framework::APDU, framework::APDU_SET_INCOMING_AND_RECEIVE, 1, 1);
    code.ops(&[Op::POP]).getstatic_a(GREETING_FIELD).ops(&[Op::SCONST_0, Op::ALOAD_2, Op::SCONST_0]);
    code.getstatic_a(GREETING_FIELD).ops(&[Op::ARRAYLENGTH]).invokestatic(array_copy, 5, 1).ops(&[Op::POP]);
    code.ops(&[Op::ALOAD_1, Op::SCONST_0]).getstatic_a(GREETING_FIELD).ops(&[Op::ARRAYLENGTH]);
    code.invokevirtual(framework::APDU, framework::APDU_SET_OUTGOING_AND_SEND, 3, 0).ops(&[Op::RETURN]);
    Method {
        id: MethodId::Process { class },
        class,
        token: framework::APPLET_PROCESS,
        flags: access::PUBLIC,
        nargs: 2,
        max_locals: 2,
        signature: signature::APDU_TO_VOID,
        code,
    }
}

/// `static short mix(short a, short b)`: what the fillers give, put together.
fn mix(fillers: usize) -> Method {
    let mut code = Code::default();
    code.ops(&[Op::SCONST_0, Op::SSTORE_2]);
    for index in 0..fillers {
        code.ops(&[Op::SLOAD_0, Op::SLOAD_1]).invokestatic(Constant::Method(MethodId::Filler(index)), 2, 1);
        code.ops(&[Op::SLOAD_2, Op::SXOR, Op::SSTORE_2]);
    }
    code.ops(&[Op::SLOAD_2, Op::SRETURN]);
    arithmetic(MethodId::Mix, access::STATIC, code)
}

/// `private static short filler(short a, short b)`: arithmetic on its arguments, different in each.
fn filler(index: usize) -> Method {
    // A linear congruential generator: the files have to be the same everywhere, not unpredictable.
    let mut state = index as u32 ^ 0x5EED;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u16
    };
    let mut code = Code::default();
    code.ops(&[Op::SCONST_0, Op::SSTORE_2]);
    while code.bytes.len() < 80 {
        let value = random();
        match random() % 6 {
            0 => code.ops(&[Op::SLOAD_0]).sspush(value as i16).ops(&[Op::SXOR, Op::SSTORE_0]),
            1 => code
                .ops(&[Op::SLOAD_0, Op::SLOAD_1, Op::SADD, Op::SSTORE_2, Op::SLOAD_2])
                .bspush(13)
                .ops(&[Op::SMUL, Op::SSTORE_0]),
            2 => code.getstatic_s(COUNTER_FIELD).ops(&[Op::SLOAD_0, Op::SADD]).putstatic_s(COUNTER_FIELD),
            3 => {
                code.ops(&[Op::SLOAD_0]);
                let positive = code.branch(Branch::IFGE);
                code.ops(&[Op::SLOAD_0, Op::SNEG]).bspush((value % 15) as i8).ops(&[Op::SUSHR, Op::SSTORE_0]);
                code.land(positive)
            }
            4 => code.sinc(1, value as i8),
            _ => code.getstatic_a(GREETING_FIELD).bspush((usize::from(value) % GREETING.len()) as i8).ops(&[
                Op::BALOAD,
                Op::SLOAD_0,
                Op::SADD,
                Op::SSTORE_0,
            ]),
        };
    }
    code.bspush((random() % 16 + 1) as i8).ops(&[Op::SSTORE_2]);
    let again = code.here();
    code.ops(&[Op::SLOAD_0, Op::SLOAD_2, Op::SADD, Op::SSTORE_0]).sinc(2, -1).ops(&[Op::SLOAD_2]);
    code.branch_back(Branch::IFGT, again).ops(&[Op::SLOAD_0, Op::SRETURN]);
    arithmetic(MethodId::Filler(index), access::PRIVATE | access::STATIC, code)
}

fn arithmetic(id: MethodId, flags: u8, code: Code) -> Method {
    let signature = signature::SHORT_SHORT_TO_SHORT;
    Method { id, class: 0, token: 0xFF, flags, nargs: 2, max_locals: 1, signature, code }
}
