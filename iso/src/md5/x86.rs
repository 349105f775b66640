//! The inner loop of MD5 on x86-64: blocks of 64 bytes into four numbers.
//!
//! MD5 is a chain of 64 steps that wait for each other; its speed is the length of that chain and nothing else. In the
//! shortest forms known a step takes four cycles in the second and third round and five in the first and last one. The
//! vector instructions of AVX-512 compute any function of three words at once and bring every step to four, with a
//! single number in each register. Compilers do not keep the short forms of the scalar steps: they reorder sums as if
//! all operands came at the same time. So these are written in instructions, and this is the one module with `unsafe`.

#![expect(unsafe_code, reason = "instructions that the compiler does not choose by itself")]

use std::arch::asm;
use std::arch::x86_64::{
    _mm_add_epi32, _mm_cvtsi32_si128, _mm_cvtsi128_si32, _mm_rol_epi32, _mm_set1_epi32,
    _mm_ternarylogic_epi32,
};

/// What the hash takes in at a time.
type Block = [u8; 64];

/// Takes blocks in, in the form that suits this processor.
pub(super) fn compress(state: &mut [u32; 4], blocks: &[Block]) {
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
        // SAFETY: the processor has the instructions, which is all that the function asks for.
        unsafe { vector(state, blocks) }
    } else {
        scalar(state, blocks);
    }
}

/// Hands the 64 steps to a macro: round by round, four steps a line, each with its word of the block and its constant
/// (RFC 1321, 3.4).
macro_rules! schedule {
    ($form:ident) => {
        $form! {
            f(0 0xd76aa478 1 0xe8c7b756 2 0x242070db 3 0xc1bdceee)
            f(4 0xf57c0faf 5 0x4787c62a 6 0xa8304613 7 0xfd469501)
            f(8 0x698098d8 9 0x8b44f7af 10 0xffff5bb1 11 0x895cd7be)
            f(12 0x6b901122 13 0xfd987193 14 0xa679438e 15 0x49b40821)
            g(1 0xf61e2562 6 0xc040b340 11 0x265e5a51 0 0xe9b6c7aa)
            g(5 0xd62f105d 10 0x02441453 15 0xd8a1e681 4 0xe7d3fbc8)
            g(9 0x21e1cde6 14 0xc33707d6 3 0xf4d50d87 8 0x455a14ed)
            g(13 0xa9e3e905 2 0xfcefa3f8 7 0x676f02d9 12 0x8d2a4c8a)
            h(5 0xfffa3942 8 0x8771f681 11 0x6d9d6122 14 0xfde5380c)
            h(1 0xa4beea44 4 0x4bdecfa9 7 0xf6bb4b60 10 0xbebfbc70)
            h(13 0x289b7ec6 0 0xeaa127fa 3 0xd4ef3085 6 0x04881d05)
            h(9 0xd9d4d039 12 0xe6db99e5 15 0x1fa27cf8 2 0xc4ac5665)
            i(0 0xf4292244 7 0x432aff97 14 0xab9423a7 5 0xfc93a039)
            i(12 0x655b59c3 3 0x8f0ccc92 10 0xffeff47d 1 0x85845dd1)
            i(8 0x6fa87e4f 15 0xfe2ce6e0 6 0xa3014314 13 0x4e0811a1)
            i(4 0xf7537e82 11 0xbd3af235 2 0x2ad7d2bb 9 0xeb86d391)
        }
    };
}

/// A step in vector registers. The truth table has a bit for each value of the three words; the word and the constant
/// are added early, off the chain.
macro_rules! vector_step {
    ($table:literal $shift:literal $block:ident $a:ident $b:ident $c:ident $d:ident $word:literal $constant:literal) => {
        let early = _mm_add_epi32($a, _mm_set1_epi32($block[$word].wrapping_add($constant).cast_signed()));
        let mixed = _mm_add_epi32(early, _mm_ternarylogic_epi32::<$table>($b, $c, $d));
        $a = _mm_add_epi32(_mm_rol_epi32::<$shift>(mixed), $b);
    };
}

/// The form with AVX-512.
#[target_feature(enable = "avx512f,avx512vl")]
fn vector(state: &mut [u32; 4], blocks: &[Block]) {
    let [mut a, mut b, mut c, mut d] = state.map(|number| _mm_cvtsi32_si128(number.cast_signed()));
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        let mut block = [0; 16];
        for (word, bytes) in block.iter_mut().zip(words) {
            *word = u32::from_le_bytes(*bytes);
        }
        let before = [a, b, c, d];
        macro_rules! four {
            ($table:literal $s:literal $t:literal $u:literal $v:literal
             $w:literal $k:literal $x:literal $l:literal $y:literal $m:literal $z:literal $n:literal) => {
                vector_step!($table $s block a b c d $w $k);
                vector_step!($table $t block d a b c $x $l);
                vector_step!($table $u block c d a b $y $m);
                vector_step!($table $v block b c d a $z $n);
            };
        }
        macro_rules! rounds {
            ($(f($($f:literal)*))* $(g($($g:literal)*))* $(h($($h:literal)*))* $(i($($i:literal)*))*) => {
                $(four!(0xCA 7 12 17 22 $($f)*);)*
                $(four!(0xE4 5 9 14 20 $($g)*);)*
                $(four!(0x96 4 11 16 23 $($h)*);)*
                $(four!(0x39 6 10 15 21 $($i)*);)*
            };
        }
        schedule!(rounds);
        let [e, f, g, h] = before;
        (a, b, c, d) = (_mm_add_epi32(a, e), _mm_add_epi32(b, f), _mm_add_epi32(c, g), _mm_add_epi32(d, h));
    }
    *state = [a, b, c, d].map(|number| _mm_cvtsi128_si32(number).cast_unsigned());
}

/// What every scalar step begins with: the word and the constant are added early, off the chain.
macro_rules! early {
    ($a:literal $word:literal $constant:literal) => {
        concat!(
            "add {",
            $a,
            ":e}, dword ptr [{block} + 4 * ",
            $word,
            "]\nadd {",
            $a,
            ":e}, ",
            $constant,
            "\n"
        )
    };
}

/// What every scalar step ends with.
macro_rules! late {
    ($shift:literal $a:literal $b:literal) => {
        concat!("rol {", $a, ":e}, ", $shift, "\nadd {", $a, ":e}, {", $b, ":e}\n")
    };
}

/// `d ^ (b & (c ^ d))`: two operations after `b` is known.
macro_rules! f {
    ($shift:literal $a:literal $b:literal $c:literal $d:literal $word:literal $constant:literal) => {
        concat!(
            early!($a $word $constant),
            "mov {t:e}, {", $c, ":e}\nxor {t:e}, {", $d, ":e}\nand {t:e}, {", $b, ":e}\nxor {t:e}, {", $d, ":e}\n",
            "add {", $a, ":e}, {t:e}\n",
            late!($shift $a $b)
        )
    };
}

/// `(b & d) + (c & !d)`, which never carries: one operation after `b` is known.
macro_rules! g {
    ($shift:literal $a:literal $b:literal $c:literal $d:literal $word:literal $constant:literal) => {
        concat!(
            early!($a $word $constant),
            "mov {t:e}, {", $d, ":e}\nnot {t:e}\nand {t:e}, {", $c, ":e}\nadd {", $a, ":e}, {t:e}\n",
            "mov {t:e}, {", $d, ":e}\nand {t:e}, {", $b, ":e}\nadd {", $a, ":e}, {t:e}\n",
            late!($shift $a $b)
        )
    };
}

/// `(c ^ d) ^ b`: one operation after `b` is known.
macro_rules! h {
    ($shift:literal $a:literal $b:literal $c:literal $d:literal $word:literal $constant:literal) => {
        concat!(
            early!($a $word $constant),
            "mov {t:e}, {", $c, ":e}\nxor {t:e}, {", $d, ":e}\nxor {t:e}, {", $b, ":e}\nadd {", $a, ":e}, {t:e}\n",
            late!($shift $a $b)
        )
    };
}

/// `c ^ (b | !d)`: two operations after `b` is known.
macro_rules! i {
    ($shift:literal $a:literal $b:literal $c:literal $d:literal $word:literal $constant:literal) => {
        concat!(
            early!($a $word $constant),
            "mov {t:e}, {", $d, ":e}\nnot {t:e}\nor {t:e}, {", $b, ":e}\nxor {t:e}, {", $c, ":e}\n",
            "add {", $a, ":e}, {t:e}\n",
            late!($shift $a $b)
        )
    };
}

/// The form for every x86-64 processor.
fn scalar(state: &mut [u32; 4], blocks: &[Block]) {
    macro_rules! four {
        ($step:ident $s:literal $t:literal $u:literal $v:literal
         $w:literal $k:literal $x:literal $l:literal $y:literal $m:literal $z:literal $n:literal) => {
            concat!(
                $step!($s "a" "b" "c" "d" $w $k),
                $step!($t "d" "a" "b" "c" $x $l),
                $step!($u "c" "d" "a" "b" $y $m),
                $step!($v "b" "c" "d" "a" $z $n)
            )
        };
    }
    macro_rules! rounds {
        ($(f($($f:literal)*))* $(g($($g:literal)*))* $(h($($h:literal)*))* $(i($($i:literal)*))*) => {
            concat!(
                $(four!(f 7 12 17 22 $($f)*),)*
                $(four!(g 5 9 14 20 $($g)*),)*
                $(four!(h 4 11 16 23 $($h)*),)*
                $(four!(i 6 10 15 21 $($i)*),)*
            )
        };
    }
    for block in blocks {
        let [mut a, mut b, mut c, mut d] = *state;
        // SAFETY: reads the block's 64 bytes and changes nothing but its operands and the flags.
        unsafe {
            asm!(
                schedule!(rounds),
                a = inout(reg) a,
                b = inout(reg) b,
                c = inout(reg) c,
                d = inout(reg) d,
                t = out(reg) _,
                block = in(reg) block.as_ptr(),
                options(nostack, readonly, pure),
            );
        }
        for (number, more) in state.iter_mut().zip([a, b, c, d]) {
            *number = number.wrapping_add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All forms against the portable one, from the same state.
    #[test]
    fn all_forms_agree() {
        let blocks: Vec<Block> = (0..50_u32)
            .map(|n| {
                std::array::from_fn(|at| (n * 64 + at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0])
            })
            .collect();
        for count in [0, 1, 2, 50] {
            let start = [1, 0x8000_0000, u32::MAX, 0xDEAD_BEEF];
            let (mut expected, mut chosen, mut plain) = (start, start, start);
            md5::block_api::compress(&mut expected, &blocks[..count]);
            compress(&mut chosen, &blocks[..count]);
            scalar(&mut plain, &blocks[..count]);
            assert_eq!((chosen, plain), (expected, expected), "{count} blocks");
        }
    }
}
