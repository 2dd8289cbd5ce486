//! What an instruction costs, in the Internet Computer's weights, so that a count taken here is the count there.
//!
//! Operators are charged by wasmtime from [`operators`], bulk memory by its length as well; system calls charge what
//! is below. Two corrections: wasmtime charges 1 for entering a function, so that a call is charged 1 less than there and a system call,
//! which enters none, 1 more; and a wasmtime weight is a byte: `memory.grow`, 300 on the Internet Computer, is 255 here.

use wasmtime::{OperatorCost, VariableOperatorCost};

/// What wasmtime charges for entering a function, and the weights of calls leave out.
pub const FUNCTION_ENTRY: u64 = 1;

/// Charged by most system calls; those that copy charge one more for every byte.
pub const SYSTEM_CALL: u64 = 500;
pub const CALL_NEW: u64 = 1_500;
pub const CALL_PERFORM: u64 = 5_000;
pub const IS_CONTROLLER: u64 = 1_000;
pub const PERFORMANCE_COUNTER: u64 = 200;
pub const DEBUG_PRINT: u64 = 100;
/// Reads and writes of stable memory, and one more for every byte.
pub const STABLE_ACCESS: u64 = 20;
pub const STABLE_SIZE: u64 = 20;
pub const STABLE_GROW: u64 = 100;
/// The first change of a 4 KiB page of stable memory by a message.
pub const STABLE_DIRTY_PAGE: u64 = 1_000;

macro_rules! weights {
    ($cost:ident: $($weight:literal => $($op:ident)*;)*) => {
        $($($cost.$op = $weight;)*)*
    };
}

/// The weight of every operator.
pub fn operators() -> OperatorCost {
    let mut cost = OperatorCost::new();
    weights! { cost:
        0 => Block Loop Else End;
        1 => Unreachable Return Drop Nop;
        2 => If Br BrIf BrTable GlobalGet GlobalSet ReturnCall;
        4 => Call;
        5 => TableGet TableSet RefIsNull;
        9 => CallIndirect;
        10 => I32DivS I32DivU I32RemS I32RemU I64DivS I64DivU I64RemS I64RemU;
        20 => MemorySize;
        59 => ReturnCallIndirect;
        100 => TableSize MemoryFill MemoryCopy MemoryInit TableFill TableCopy TableInit;
        130 => RefFunc;
        255 => MemoryGrow TableGrow DataDrop ElemDrop;
        2 => F32Add F32Sub F32Mul F32Ceil F32Floor F32Trunc F32Nearest F32Copysign
             F64Add F64Sub F64Mul F64Ceil F64Floor F64Trunc F64Nearest;
        3 => F32Div F64Copysign F32Eq F32Ne F32Lt F32Gt F32Le F32Ge F64Eq F64Ne F64Lt F64Gt F64Le F64Ge
             F32ConvertI32S F32ConvertI64S F64ConvertI32S F64ConvertI64S;
        5 => F64Div F32Sqrt;
        8 => F64Sqrt;
        16 => F32ConvertI32U F32ConvertI64U F64ConvertI32U F64ConvertI64U;
        18 => F32Min F32Max F64Min F64Max;
        20 => I32TruncF32S I32TruncF32U I32TruncF64S I32TruncF64U
              I64TruncF32S I64TruncF32U I64TruncF64S I64TruncF64U
              I32TruncSatF32S I32TruncSatF32U I32TruncSatF64S I32TruncSatF64U
              I64TruncSatF32S I64TruncSatF32U I64TruncSatF64S I64TruncSatF64U;
        3 => I8x16Shuffle;
    }
    cost.variable = VariableOperatorCost::new();
    cost
}
