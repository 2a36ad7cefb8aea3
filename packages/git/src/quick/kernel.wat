;; Kernel: what the first reads of a page spend their time on, in code that is fast from its first run on. A browser interprets
;; JavaScript until it has seen it for a while; WebAssembly it compiles at once.
;;
;; It reads an object of a pack: follows the chain of its deltas through the index of the pack, inflates and applies them, and
;; names what comes of it. All memory is given out by `kernel.ts`; here are only the places that never move:
;;
;;        0  name of the object, 20 bytes; its type at 24, its length at 28
;;       64  code lengths, a byte each        384  how many codes have each length    448  the next code of each length
;;      512  schedule of SHA-1, 80 words      832  codes for code lengths            1088  fixed codes for distances
;;     1152  fixed codes for literals        2176  constants, below                  4096  four tables of CRC-32
;;     8192  codes for literals             73728  codes for distances             139264  the ordinals of a chain
;;
;; Specs: RFC 1950, RFC 1951, RFC 1952, FIPS 180-4, https://git-scm.com/docs/pack-format
;;
;; `node tools/assemble.ts` makes `kernel-bytes.ts` of it.
(module
  (memory (export "memory") 3)

  ;; Least length of the symbols from 257 on, u16, and the bits that are added to it, u8; the same of distances.
  (data (i32.const 2176)
    "\03\00\04\00\05\00\06\00\07\00\08\00\09\00\0a\00\0b\00\0d\00\0f\00\11\00\13\00\17\00\1b\00\1f\00\23\00\2b\00\33\00\3b\00\43\00\53\00\63\00\73\00\83\00\a3\00\c3\00\e3\00\02\01")
  (data (i32.const 2240)
    "\00\00\00\00\00\00\00\00\01\01\01\01\02\02\02\02\03\03\03\03\04\04\04\04\05\05\05\05\00")
  (data (i32.const 2272)
    "\01\00\02\00\03\00\04\00\05\00\07\00\09\00\0d\00\11\00\19\00\21\00\31\00\41\00\61\00\81\00\c1\00\01\01\81\01\01\02\01\03\01\04\01\06\01\08\01\0c\01\10\01\18\01\20\01\30\01\40\01\60")
  (data (i32.const 2336)
    "\00\00\00\00\01\01\02\02\03\03\04\04\05\05\06\06\07\07\08\08\09\09\0a\0a\0b\0b\0c\0c\0d\0d")
  ;; The order in which the lengths of code lengths come.
  (data (i32.const 2368) "\10\11\12\00\08\07\09\06\0a\05\0b\04\0c\03\0d\02\0e\01\0f")
  ;; Names of the types, eight bytes each, from type 1 on; they end behind the space.
  (data (i32.const 2392) " commit    tree    blob     tag ")

  ;; Masks the bits of the codes that were built last.
  (global $mask (mut i32) (i32.const 0))
  (global $hasFixed (mut i32) (i32.const 0))

  (func $swap (param $x i32) (result i32)
    (i32.or
      (i32.and (i32.rotl (local.get $x) (i32.const 8)) (i32.const 0x00ff00ff))
      (i32.and (i32.rotr (local.get $x) (i32.const 8)) (i32.const 0xff00ff00))))

  ;; CRC-32 of the bytes from `at` up to `end`, going on from `crc`: whole words, each by four tables, then the rest.
  (func (export "crc32") (param $at i32) (param $end i32) (param $crc i32) (result i32)
    (if (i32.eqz (i32.load offset=4100 (i32.const 0))) (then (call $makeTables)))
    (local.set $crc (i32.xor (local.get $crc) (i32.const -1)))
    (block $short
      (loop $words
        (br_if $short (i32.gt_u (i32.add (local.get $at) (i32.const 4)) (local.get $end)))
        (local.set $crc (i32.xor (local.get $crc) (i32.load (local.get $at))))
        (local.set $crc
          (i32.xor
            (i32.xor
              (i32.load offset=7168
                (i32.shl (i32.and (local.get $crc) (i32.const 255)) (i32.const 2)))
              (i32.load offset=6144
                (i32.and (i32.shr_u (local.get $crc) (i32.const 6)) (i32.const 1020))))
            (i32.xor
              (i32.load offset=5120
                (i32.and (i32.shr_u (local.get $crc) (i32.const 14)) (i32.const 1020)))
              (i32.load offset=4096
                (i32.shl (i32.shr_u (local.get $crc) (i32.const 24)) (i32.const 2))))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $words)))
    (block $done
      (loop $bytes
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $crc
          (i32.xor
            (i32.load offset=4096
              (i32.shl
                (i32.and
                  (i32.xor (local.get $crc) (i32.load8_u (local.get $at)))
                  (i32.const 255))
                (i32.const 2)))
            (i32.shr_u (local.get $crc) (i32.const 8))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $bytes)))
    (i32.xor (local.get $crc) (i32.const -1)))

  (func $makeTables
    (local $i i32) (local $crc i32) (local $bit i32)
    (loop $values
      (local.set $crc (local.get $i))
      (local.set $bit (i32.const 8))
      (loop $bits
        (local.set $crc
          (i32.xor
            (i32.shr_u (local.get $crc) (i32.const 1))
            (i32.and
              (i32.sub (i32.const 0) (i32.and (local.get $crc) (i32.const 1)))
              (i32.const 0xedb88320))))
        (br_if $bits (local.tee $bit (i32.sub (local.get $bit) (i32.const 1)))))
      (i32.store offset=4096 (i32.shl (local.get $i) (i32.const 2)) (local.get $crc))
      (br_if $values
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 256))))
    ;; Each table goes a byte further than the one before it.
    (loop $further
      (local.set $crc (i32.load offset=3072 (i32.shl (local.get $i) (i32.const 2))))
      (i32.store offset=4096
        (i32.shl (local.get $i) (i32.const 2))
        (i32.xor
          (i32.load offset=4096 (i32.shl (i32.and (local.get $crc) (i32.const 255)) (i32.const 2)))
          (i32.shr_u (local.get $crc) (i32.const 8))))
      (br_if $further
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024)))))

  ;; SHA-1 of the bytes from `at` up to `end`, to 0. Overwrites up to 72 bytes behind them.
  (func $sha1 (param $at i32) (param $end i32)
    (local $stop i32) (local $i i32) (local $next i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32) (local $e i32)
    (local $bits i32)
    (local.set $bits (i32.shl (i32.sub (local.get $end) (local.get $at)) (i32.const 3)))
    (local.set $stop
      (i32.add
        (local.get $at)
        (i32.and
          (i32.add (i32.sub (local.get $end) (local.get $at)) (i32.const 72))
          (i32.const -64))))
    (memory.fill (local.get $end) (i32.const 0) (i32.sub (local.get $stop) (local.get $end)))
    (i32.store8 (local.get $end) (i32.const 0x80))
    ;; Nothing that is named here has 2^29 bytes.
    (i32.store (i32.sub (local.get $stop) (i32.const 4)) (call $swap (local.get $bits)))
    (i32.store offset=0 (i32.const 0) (i32.const 0x67452301))
    (i32.store offset=4 (i32.const 0) (i32.const 0xefcdab89))
    (i32.store offset=8 (i32.const 0) (i32.const 0x98badcfe))
    (i32.store offset=12 (i32.const 0) (i32.const 0x10325476))
    (i32.store offset=16 (i32.const 0) (i32.const 0xc3d2e1f0))
    (loop $blocks
      (local.set $i (i32.const 0))
      (loop $read
        (i32.store offset=512
          (local.get $i)
          (call $swap (i32.load (i32.add (local.get $at) (local.get $i)))))
        (br_if $read
          (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 64))))
      (loop $expand
        (i32.store offset=512
          (local.get $i)
          (i32.rotl
            (i32.xor
              (i32.xor (i32.load offset=500 (local.get $i)) (i32.load offset=480 (local.get $i)))
              (i32.xor (i32.load offset=456 (local.get $i)) (i32.load offset=448 (local.get $i))))
            (i32.const 1)))
        (br_if $expand
          (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 320))))
      (local.set $a (i32.load offset=0 (i32.const 0)))
      (local.set $b (i32.load offset=4 (i32.const 0)))
      (local.set $c (i32.load offset=8 (i32.const 0)))
      (local.set $d (i32.load offset=12 (i32.const 0)))
      (local.set $e (i32.load offset=16 (i32.const 0)))
      (local.set $i (i32.const 0))
      ;; Four loops, so that no round asks which function it takes.
      (loop $rounds
        (local.set $next
          (i32.add
            (i32.add
              (i32.add (i32.rotl (local.get $a) (i32.const 5)) (local.get $e))
              (i32.add (i32.load offset=512 (local.get $i)) (i32.const 0x5a827999)))
            (i32.xor
              (local.get $d)
              (i32.and (local.get $b) (i32.xor (local.get $c) (local.get $d))))))
        (local.set $e (local.get $d))
        (local.set $d (local.get $c))
        (local.set $c (i32.rotl (local.get $b) (i32.const 30)))
        (local.set $b (local.get $a))
        (local.set $a (local.get $next))
        (br_if $rounds
          (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 80))))
      (loop $rounds
        (local.set $next
          (i32.add
            (i32.add
              (i32.add (i32.rotl (local.get $a) (i32.const 5)) (local.get $e))
              (i32.add (i32.load offset=512 (local.get $i)) (i32.const 0x6ed9eba1)))
            (i32.xor (local.get $b) (i32.xor (local.get $c) (local.get $d)))))
        (local.set $e (local.get $d))
        (local.set $d (local.get $c))
        (local.set $c (i32.rotl (local.get $b) (i32.const 30)))
        (local.set $b (local.get $a))
        (local.set $a (local.get $next))
        (br_if $rounds
          (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 160))))
      (loop $rounds
        (local.set $next
          (i32.add
            (i32.add
              (i32.add (i32.rotl (local.get $a) (i32.const 5)) (local.get $e))
              (i32.add (i32.load offset=512 (local.get $i)) (i32.const 0x8f1bbcdc)))
            (i32.or
              (i32.and (local.get $b) (local.get $c))
              (i32.and (local.get $d) (i32.or (local.get $b) (local.get $c))))))
        (local.set $e (local.get $d))
        (local.set $d (local.get $c))
        (local.set $c (i32.rotl (local.get $b) (i32.const 30)))
        (local.set $b (local.get $a))
        (local.set $a (local.get $next))
        (br_if $rounds
          (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 240))))
      (loop $rounds
        (local.set $next
          (i32.add
            (i32.add
              (i32.add (i32.rotl (local.get $a) (i32.const 5)) (local.get $e))
              (i32.add (i32.load offset=512 (local.get $i)) (i32.const 0xca62c1d6)))
            (i32.xor (local.get $b) (i32.xor (local.get $c) (local.get $d)))))
        (local.set $e (local.get $d))
        (local.set $d (local.get $c))
        (local.set $c (i32.rotl (local.get $b) (i32.const 30)))
        (local.set $b (local.get $a))
        (local.set $a (local.get $next))
        (br_if $rounds
          (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 320))))
      (i32.store offset=0 (i32.const 0)
        (i32.add (i32.load offset=0 (i32.const 0)) (local.get $a)))
      (i32.store offset=4 (i32.const 0)
        (i32.add (i32.load offset=4 (i32.const 0)) (local.get $b)))
      (i32.store offset=8 (i32.const 0)
        (i32.add (i32.load offset=8 (i32.const 0)) (local.get $c)))
      (i32.store offset=12 (i32.const 0)
        (i32.add (i32.load offset=12 (i32.const 0)) (local.get $d)))
      (i32.store offset=16 (i32.const 0)
        (i32.add (i32.load offset=16 (i32.const 0)) (local.get $e)))
      (br_if $blocks
        (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 64))) (local.get $stop))))
    (local.set $i (i32.const 0))
    (loop $turn
      (i32.store (local.get $i) (call $swap (i32.load (local.get $i))))
      (br_if $turn
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 20)))))

  ;; Fills a table with the codes that `count` lengths from `from` on tell: `symbol << 4 | bits` for all that the bits can be,
  ;; 0 where there is no such code. Whether they make a set that may be used.
  (func $build (param $table i32) (param $from i32) (param $count i32) (result i32)
    (local $i i32) (local $bits i32) (local $longest i32) (local $left i32) (local $code i32)
    (local $reversed i32) (local $end i32)
    (local.set $end (i32.add (local.get $from) (local.get $count)))
    (memory.fill (i32.const 384) (i32.const 0) (i32.const 128))
    (local.set $i (local.get $from))
    (loop $lengths
      (local.set $bits (i32.load8_u (local.get $i)))
      (i32.store offset=384
        (i32.shl (local.get $bits) (i32.const 2))
        (i32.add
          (i32.load offset=384 (i32.shl (local.get $bits) (i32.const 2)))
          (i32.const 1)))
      (if (i32.gt_u (local.get $bits) (local.get $longest))
        (then (local.set $longest (local.get $bits))))
      (br_if $lengths
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $end))))
    (i32.store offset=384 (i32.const 0) (i32.const 0))
    (local.set $left (i32.const 1))
    (local.set $bits (i32.const 1))
    (block $counted
      (loop $next
        (br_if $counted (i32.gt_u (local.get $bits) (local.get $longest)))
        (local.set $i (i32.shl (local.get $bits) (i32.const 2)))
        (i32.store offset=448
          (local.get $i)
          (i32.shl
            (i32.add
              (i32.load offset=444 (local.get $i))
              (i32.load offset=380 (local.get $i)))
            (i32.const 1)))
        (local.set $left
          (i32.sub
            (i32.shl (local.get $left) (i32.const 1))
            (i32.load offset=384 (local.get $i))))
        (if (i32.lt_s (local.get $left) (i32.const 0)) (then (return (i32.const 0))))
        (local.set $bits (i32.add (local.get $bits) (i32.const 1)))
        (br $next)))
    (global.set $mask
      (i32.sub (i32.shl (i32.const 1) (local.get $longest)) (i32.const 1)))
    (memory.fill (local.get $table) (i32.const 0) (i32.shl (i32.const 2) (local.get $longest)))
    (local.set $i (i32.const 0))
    (loop $symbols
      (local.set $bits (i32.load8_u (i32.add (local.get $from) (local.get $i))))
      (if (local.get $bits)
        (then
          (local.set $end (i32.shl (local.get $bits) (i32.const 2)))
          (local.set $code (i32.load offset=448 (local.get $end)))
          (i32.store offset=448 (local.get $end) (i32.add (local.get $code) (i32.const 1)))
          ;; A code is read from its first bit on, so that its bits come in reverse.
          (local.set $reversed (i32.const 0))
          (local.set $end (local.get $bits))
          (loop $reverse
            (local.set $reversed
              (i32.or
                (i32.shl (local.get $reversed) (i32.const 1))
                (i32.and (local.get $code) (i32.const 1))))
            (local.set $code (i32.shr_u (local.get $code) (i32.const 1)))
            (br_if $reverse (local.tee $end (i32.sub (local.get $end) (i32.const 1)))))
          (loop $fill
            (i32.store16
              (i32.add (local.get $table) (i32.shl (local.get $reversed) (i32.const 1)))
              (i32.or (i32.shl (local.get $i) (i32.const 4)) (local.get $bits)))
            (br_if $fill
              (i32.le_u
                (local.tee $reversed
                  (i32.add (local.get $reversed) (i32.shl (i32.const 1) (local.get $bits))))
                (global.get $mask))))))
      (br_if $symbols
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $count))))
    ;; Too few codes are only allowed where there is one of one bit, or none at all.
    (i32.or (i32.eqz (local.get $left)) (i32.le_u (local.get $longest) (i32.const 1))))

  ;; Builds the fixed codes, once: with those that mean nothing, so that the sets are complete.
  (func $fix
    (memory.fill (i32.const 64) (i32.const 8) (i32.const 288))
    (memory.fill (i32.const 208) (i32.const 9) (i32.const 112))
    (memory.fill (i32.const 320) (i32.const 7) (i32.const 24))
    (drop (call $build (i32.const 1152) (i32.const 64) (i32.const 288)))
    (memory.fill (i32.const 64) (i32.const 5) (i32.const 32))
    (drop (call $build (i32.const 1088) (i32.const 64) (i32.const 32)))
    (global.set $hasFixed (i32.const 1)))

  ;; The 25 bits or more that follow on bit `at` of the bytes from `from` on.
  (func $bits (param $from i32) (param $at i32) (result i32)
    (i32.shr_u
      (i32.load (i32.add (local.get $from) (i32.shr_u (local.get $at) (i32.const 3))))
      (i32.and (local.get $at) (i32.const 7))))

  ;; Reads the codes of a block: builds them at 8192 and 73728. Where the block goes on, in bits; 0 when it is damaged.
  (func $readCodes (param $from i32) (param $at i32) (param $limit i32) (result i32)
    (local $literals i32) (local $total i32) (local $count i32) (local $i i32) (local $hold i32)
    (local $code i32) (local $value i32)
    (local.set $hold (call $bits (local.get $from) (local.get $at)))
    (local.set $literals (i32.add (i32.and (local.get $hold) (i32.const 31)) (i32.const 257)))
    (local.set $total
      (i32.add
        (i32.and (i32.shr_u (local.get $hold) (i32.const 5)) (i32.const 31))
        (i32.const 1)))
    (local.set $count
      (i32.add
        (i32.and (i32.shr_u (local.get $hold) (i32.const 10)) (i32.const 15))
        (i32.const 4)))
    (local.set $at (i32.add (local.get $at) (i32.const 14)))
    (if
      (i32.or
        (i32.gt_u (local.get $literals) (i32.const 286))
        (i32.gt_u (local.get $total) (i32.const 30)))
      (then (return (i32.const 0))))
    (local.set $total (i32.add (local.get $total) (local.get $literals)))
    (memory.fill (i32.const 64) (i32.const 0) (i32.const 19))
    (loop $lengths
      (i32.store8 offset=64
        (i32.load8_u offset=2368 (local.get $i))
        (i32.and (call $bits (local.get $from) (local.get $at)) (i32.const 7)))
      (local.set $at (i32.add (local.get $at) (i32.const 3)))
      (br_if $lengths
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $count))))
    (if (i32.eqz (call $build (i32.const 832) (i32.const 64) (i32.const 19)))
      (then (return (i32.const 0))))
    (local.set $i (i32.const 0))
    (loop $symbols
      (local.set $hold (call $bits (local.get $from) (local.get $at)))
      (local.set $code
        (i32.load16_u offset=832
          (i32.shl (i32.and (local.get $hold) (global.get $mask)) (i32.const 1))))
      (if (i32.or (i32.eqz (local.get $code)) (i32.gt_u (local.get $at) (local.get $limit)))
        (then (return (i32.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.and (local.get $code) (i32.const 15))))
      (local.set $hold
        (i32.shr_u (local.get $hold) (i32.and (local.get $code) (i32.const 15))))
      (local.set $code (i32.shr_u (local.get $code) (i32.const 4)))
      (local.set $count (i32.const 1))
      (local.set $value (i32.const 0))
      (block $known
        (if (i32.lt_u (local.get $code) (i32.const 16))
          (then (local.set $value (local.get $code)) (br $known)))
        (if (i32.eq (local.get $code) (i32.const 16))
          (then
            (if (i32.eqz (local.get $i)) (then (return (i32.const 0))))
            (local.set $value (i32.load8_u offset=63 (local.get $i)))
            (local.set $count (i32.add (i32.and (local.get $hold) (i32.const 3)) (i32.const 3)))
            (local.set $at (i32.add (local.get $at) (i32.const 2)))
            (br $known)))
        (if (i32.eq (local.get $code) (i32.const 17))
          (then
            (local.set $count (i32.add (i32.and (local.get $hold) (i32.const 7)) (i32.const 3)))
            (local.set $at (i32.add (local.get $at) (i32.const 3)))
            (br $known)))
        (local.set $count (i32.add (i32.and (local.get $hold) (i32.const 127)) (i32.const 11)))
        (local.set $at (i32.add (local.get $at) (i32.const 7))))
      (if (i32.gt_u (i32.add (local.get $i) (local.get $count)) (local.get $total))
        (then (return (i32.const 0))))
      (memory.fill
        (i32.add (local.get $i) (i32.const 64))
        (local.get $value)
        (local.get $count))
      (br_if $symbols
        (i32.lt_u
          (local.tee $i (i32.add (local.get $i) (local.get $count)))
          (local.get $total))))
    ;; Without a code for its end it has none.
    (if (i32.eqz (i32.load8_u offset=320 (i32.const 0))) (then (return (i32.const 0))))
    (if
      (i32.eqz
        (call $build
          (i32.const 73728)
          (i32.add (local.get $literals) (i32.const 64))
          (i32.sub (local.get $total) (local.get $literals))))
      (then (return (i32.const 0))))
    (local.set $value (global.get $mask))
    (if (i32.eqz (call $build (i32.const 8192) (i32.const 64) (local.get $literals)))
      (then (return (i32.const 0))))
    ;; The mask of the distances goes where the lengths of codes were counted.
    (i32.store offset=384 (i32.const 0) (local.get $value))
    (local.get $at))

  ;; Decompresses the zlib stream from `from`, which ends no later than `end`, into `size` bytes at `to`. Whether it is one
  ;; that holds as many, under its Adler-32.
  (func $inflate (export "inflate")
    (param $from i32) (param $end i32) (param $to i32) (param $size i32) (result i32)
    (local $at i32) (local $limit i32) (local $out i32) (local $stop i32) (local $isLast i32)
    (local $kind i32) (local $hold i32) (local $code i32) (local $length i32) (local $extra i32)
    (local $literals i32) (local $distances i32) (local $mask i32) (local $far i32)
    (local $a i32) (local $b i32)
    (local.set $hold (i32.load16_u (local.get $from)))
    ;; Method 8, a window of at most 32 kB, no dictionary, and both bytes together a multiple of 31.
    (if
      (i32.or
        (i32.or
          (i32.ne (i32.and (local.get $hold) (i32.const 0x200f)) (i32.const 8))
          (i32.gt_u (i32.and (local.get $hold) (i32.const 0xf0)) (i32.const 0x70)))
        (i32.rem_u
          (i32.add
            (i32.shl (i32.and (local.get $hold) (i32.const 255)) (i32.const 8))
            (i32.shr_u (local.get $hold) (i32.const 8)))
          (i32.const 31)))
      (then (return (i32.const 0))))
    (local.set $at (i32.const 16))
    (local.set $limit
      (i32.shl (i32.sub (local.get $end) (local.get $from)) (i32.const 3)))
    (local.set $out (local.get $to))
    (local.set $stop (i32.add (local.get $to) (local.get $size)))
    (loop $blocks
      (if (i32.gt_u (local.get $at) (local.get $limit)) (then (return (i32.const 0))))
      (local.set $hold (call $bits (local.get $from) (local.get $at)))
      (local.set $isLast (i32.and (local.get $hold) (i32.const 1)))
      (local.set $kind (i32.and (i32.shr_u (local.get $hold) (i32.const 1)) (i32.const 3)))
      (local.set $at (i32.add (local.get $at) (i32.const 3)))
      (block $read
        (if (i32.eqz (local.get $kind))
          (then
            ;; Stored: its length, the same in reverse bits, and its bytes, from the next whole byte on.
            (local.set $far
              (i32.add
                (local.get $from)
                (i32.shr_u (i32.add (local.get $at) (i32.const 7)) (i32.const 3))))
            (local.set $length (i32.load16_u (local.get $far)))
            (if
              (i32.or
                (i32.or
                  (i32.ne
                    (i32.xor (local.get $length) (i32.const 0xffff))
                    (i32.load16_u offset=2 (local.get $far)))
                  (i32.gt_u
                    (i32.add (i32.add (local.get $far) (i32.const 4)) (local.get $length))
                    (local.get $end)))
                (i32.gt_u (i32.add (local.get $out) (local.get $length)) (local.get $stop)))
              (then (return (i32.const 0))))
            (memory.copy
              (local.get $out)
              (i32.add (local.get $far) (i32.const 4))
              (local.get $length))
            (local.set $out (i32.add (local.get $out) (local.get $length)))
            (local.set $at
              (i32.shl
                (i32.add
                  (i32.sub (local.get $far) (local.get $from))
                  (i32.add (local.get $length) (i32.const 4)))
                (i32.const 3)))
            (br $read)))
        (if (i32.eq (local.get $kind) (i32.const 3)) (then (return (i32.const 0))))
        (if (i32.eq (local.get $kind) (i32.const 1))
          (then
            (if (i32.eqz (global.get $hasFixed)) (then (call $fix)))
            (local.set $literals (i32.const 1152))
            (local.set $distances (i32.const 1088))
            (local.set $mask (i32.const 511))
            (local.set $far (i32.const 31)))
          (else
            (local.set $at
              (call $readCodes (local.get $from) (local.get $at) (local.get $limit)))
            (if (i32.eqz (local.get $at)) (then (return (i32.const 0))))
            (local.set $literals (i32.const 8192))
            (local.set $distances (i32.const 73728))
            (local.set $mask (global.get $mask))
            (local.set $far (i32.load offset=384 (i32.const 0)))))
        (loop $symbols
          (local.set $hold
            (i32.shr_u
              (i32.load (i32.add (local.get $from) (i32.shr_u (local.get $at) (i32.const 3))))
              (i32.and (local.get $at) (i32.const 7))))
          (local.set $code
            (i32.load16_u
              (i32.add
                (local.get $literals)
                (i32.shl (i32.and (local.get $hold) (local.get $mask)) (i32.const 1)))))
          (local.set $extra (i32.and (local.get $code) (i32.const 15)))
          (local.set $at (i32.add (local.get $at) (local.get $extra)))
          (if (i32.lt_u (local.get $code) (i32.const 4096))
            (then
              (if
                (i32.or
                  (i32.eqz (local.get $code))
                  (i32.eq (local.get $out) (local.get $stop)))
                (then (return (i32.const 0))))
              (i32.store8 (local.get $out) (i32.shr_u (local.get $code) (i32.const 4)))
              (local.set $out (i32.add (local.get $out) (i32.const 1)))
              (br $symbols)))
          (local.set $code (i32.sub (i32.shr_u (local.get $code) (i32.const 4)) (i32.const 257)))
          (br_if $read (i32.lt_s (local.get $code) (i32.const 0)))
          (if
            (i32.or
              (i32.gt_u (local.get $code) (i32.const 28))
              (i32.gt_u (local.get $at) (local.get $limit)))
            (then (return (i32.const 0))))
          (local.set $hold (i32.shr_u (local.get $hold) (local.get $extra)))
          (local.set $extra (i32.load8_u offset=2240 (local.get $code)))
          (local.set $at (i32.add (local.get $at) (local.get $extra)))
          (local.set $length
            (i32.add
              (i32.load16_u offset=2176 (i32.shl (local.get $code) (i32.const 1)))
              (i32.and
                (local.get $hold)
                (i32.sub (i32.shl (i32.const 1) (local.get $extra)) (i32.const 1)))))
          (local.set $hold (call $bits (local.get $from) (local.get $at)))
          (local.set $code
            (i32.load16_u
              (i32.add
                (local.get $distances)
                (i32.shl (i32.and (local.get $hold) (local.get $far)) (i32.const 1)))))
          (local.set $at
            (i32.add (local.get $at) (i32.and (local.get $code) (i32.const 15))))
          (if
            (i32.or (i32.eqz (local.get $code)) (i32.ge_u (local.get $code) (i32.const 480)))
            (then (return (i32.const 0))))
          (local.set $code (i32.shr_u (local.get $code) (i32.const 4)))
          (local.set $extra (i32.load8_u offset=2336 (local.get $code)))
          (local.set $hold (call $bits (local.get $from) (local.get $at)))
          (local.set $at (i32.add (local.get $at) (local.get $extra)))
          (local.set $code
            (i32.add
              (i32.load16_u offset=2272 (i32.shl (local.get $code) (i32.const 1)))
              (i32.and
                (local.get $hold)
                (i32.sub (i32.shl (i32.const 1) (local.get $extra)) (i32.const 1)))))
          (if
            (i32.or
              (i32.gt_u (local.get $code) (i32.sub (local.get $out) (local.get $to)))
              (i32.gt_u (i32.add (local.get $out) (local.get $length)) (local.get $stop)))
            (then (return (i32.const 0))))
          ;; What is copied may be what is being written, and few bytes are copied sooner than a copy is begun.
          (if
            (i32.and
              (i32.ge_u (local.get $code) (local.get $length))
              (i32.gt_u (local.get $length) (i32.const 16)))
            (then
              (memory.copy
                (local.get $out)
                (i32.sub (local.get $out) (local.get $code))
                (local.get $length))
              (local.set $out (i32.add (local.get $out) (local.get $length)))
              (br $symbols)))
          (local.set $length (i32.add (local.get $out) (local.get $length)))
          (loop $copy
            (i32.store8
              (local.get $out)
              (i32.load8_u (i32.sub (local.get $out) (local.get $code))))
            (br_if $copy
              (i32.lt_u
                (local.tee $out (i32.add (local.get $out) (i32.const 1)))
                (local.get $length))))
          (br $symbols)))
      (br_if $blocks (i32.eqz (local.get $isLast))))
    (local.set $far
      (i32.add
        (local.get $from)
        (i32.shr_u (i32.add (local.get $at) (i32.const 7)) (i32.const 3))))
    (if
      (i32.or
        (i32.ne (local.get $out) (local.get $stop))
        (i32.gt_u (i32.add (local.get $far) (i32.const 4)) (local.get $end)))
      (then (return (i32.const 0))))
    ;; Adler-32: 3,800 bytes are as many as can be added up before `b` leaves 32 bits.
    (local.set $a (i32.const 1))
    (local.set $out (local.get $to))
    (block $summed
      (loop $pieces
        (br_if $summed (i32.eq (local.get $out) (local.get $stop)))
        (local.set $length (i32.add (local.get $out) (i32.const 3800)))
        (if (i32.gt_u (local.get $length) (local.get $stop))
          (then (local.set $length (local.get $stop))))
        (loop $bytes
          (local.set $a (i32.add (local.get $a) (i32.load8_u (local.get $out))))
          (local.set $b (i32.add (local.get $b) (local.get $a)))
          (br_if $bytes
            (i32.lt_u
              (local.tee $out (i32.add (local.get $out) (i32.const 1)))
              (local.get $length))))
        (local.set $a (i32.rem_u (local.get $a) (i32.const 65521)))
        (local.set $b (i32.rem_u (local.get $b) (i32.const 65521)))
        (br $pieces)))
    (i32.eq
      (call $swap (i32.load (local.get $far)))
      (i32.or (i32.shl (local.get $b) (i32.const 16)) (local.get $a))))

  ;; Follows the instructions of a delta from `at` up to `end`. How many bytes it makes, at `to`; -1 when it is damaged.
  (func $apply
    (param $base i32) (param $baseSize i32) (param $at i32) (param $end i32)
    (param $to i32) (param $size i32) (result i32)
    (local $out i32) (local $stop i32) (local $op i32) (local $from i32) (local $length i32)
    (local.set $out (local.get $to))
    (local.set $stop (i32.add (local.get $to) (local.get $size)))
    (block $done
      (loop $steps
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $op (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (if (i32.and (local.get $op) (i32.const 0x80))
          (then
            (local.set $from (i32.const 0))
            (local.set $length (i32.const 0))
            (if (i32.and (local.get $op) (i32.const 1))
              (then
                (local.set $from (i32.load8_u (local.get $at)))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))))
            (if (i32.and (local.get $op) (i32.const 2))
              (then
                (local.set $from
                  (i32.or
                    (local.get $from)
                    (i32.shl (i32.load8_u (local.get $at)) (i32.const 8))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))))
            (if (i32.and (local.get $op) (i32.const 4))
              (then
                (local.set $from
                  (i32.or
                    (local.get $from)
                    (i32.shl (i32.load8_u (local.get $at)) (i32.const 16))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))))
            (if (i32.and (local.get $op) (i32.const 8))
              (then
                (local.set $from
                  (i32.or
                    (local.get $from)
                    (i32.shl (i32.load8_u (local.get $at)) (i32.const 24))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))))
            (if (i32.and (local.get $op) (i32.const 16))
              (then
                (local.set $length (i32.load8_u (local.get $at)))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))))
            (if (i32.and (local.get $op) (i32.const 32))
              (then
                (local.set $length
                  (i32.or
                    (local.get $length)
                    (i32.shl (i32.load8_u (local.get $at)) (i32.const 8))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))))
            (if (i32.and (local.get $op) (i32.const 64))
              (then
                (local.set $length
                  (i32.or
                    (local.get $length)
                    (i32.shl (i32.load8_u (local.get $at)) (i32.const 16))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))))
            (if (i32.eqz (local.get $length)) (then (local.set $length (i32.const 0x10000))))
            (if
              (i32.or
                (i32.gt_u (local.get $at) (local.get $end))
                (i32.or
                  (i32.gt_u (local.get $from) (local.get $baseSize))
                  (i32.gt_u
                    (local.get $length)
                    (i32.sub (local.get $baseSize) (local.get $from)))))
              (then (return (i32.const -1))))
            (local.set $from (i32.add (local.get $base) (local.get $from))))
          (else
            (local.set $from (local.get $at))
            (local.set $length (local.get $op))
            (local.set $at (i32.add (local.get $at) (local.get $op)))
            (if
              (i32.or (i32.eqz (local.get $op)) (i32.gt_u (local.get $at) (local.get $end)))
              (then (return (i32.const -1))))))
        (if
          (i32.gt_u (local.get $length) (i32.sub (local.get $stop) (local.get $out)))
          (then (return (i32.const -1))))
        (memory.copy (local.get $out) (local.get $from) (local.get $length))
        (local.set $out (i32.add (local.get $out) (local.get $length)))
        (br $steps)))
    (i32.sub (local.get $out) (local.get $to)))

  ;; Reads the object with an ordinal. `look` is where the columns of the pack's index lie, each of `count` words: offsets, lengths,
  ;; sizes, bases. `windows` is where a word for each 256 kB of the pack, which ends at `packEnd`, says where they lie, 0 for nowhere;
  ;; 16 bytes may be read behind any. `rooms` is where three rooms lie, for a body, the next body and a delta, each of `max` bytes and 128 for the header
  ;; and the padding of SHA-1; behind them a window's bytes, for an entry that lies in two.
  ;;
  ;; Where its body is, its name, type and length being told from 0 on; -1 - w when window w is needed; 0 when it is not to be read
  ;; here: its chain leaves the pack or is too long, it is too large, or something is damaged.
  (func (export "read")
    (param $ordinal i32) (param $look i32) (param $count i32) (param $windows i32)
    (param $packEnd i32) (param $rooms i32) (param $max i32) (result i32)
    (local $chain i32) (local $column i32) (local $offset i32) (local $length i32) (local $window i32)
    (local $at i32) (local $end i32) (local $byte i32) (local $size i32) (local $shift i32)
    (local $body i32) (local $next i32) (local $delta i32) (local $bounce i32) (local $type i32)
    (local $bodySize i32) (local $word i32)
    (local.set $column (i32.shl (local.get $count) (i32.const 2)))
    (local.set $body (i32.add (local.get $rooms) (i32.const 32)))
    (local.set $next (i32.add (local.get $body) (i32.add (local.get $max) (i32.const 128))))
    (local.set $delta (i32.add (local.get $next) (i32.add (local.get $max) (i32.const 128))))
    (local.set $bounce (i32.add (local.get $delta) (i32.add (local.get $max) (i32.const 96))))
    ;; Down to a whole object, all of whose windows are here.
    (block $whole
      (loop $down
        (if (i32.eq (local.get $chain) (i32.const 16384)) (then (return (i32.const 0))))
        (i32.store offset=139264 (local.get $chain) (local.get $ordinal))
        (local.set $chain (i32.add (local.get $chain) (i32.const 4)))
        (local.set $word
          (i32.add (local.get $look) (i32.shl (local.get $ordinal) (i32.const 2))))
        (local.set $offset (i32.load (local.get $word)))
        (local.set $word (i32.add (local.get $word) (local.get $column)))
        (local.set $length (i32.load (local.get $word)))
        ;; As long as a header and the shortest stream, not so long that it could lie in three windows, and inside of the pack.
        (if
          (i32.or
            (i32.or
              (i32.lt_u (local.get $length) (i32.const 9))
              (i32.gt_u (local.get $length) (i32.const 0x3fff0)))
            (i32.or
              (i32.gt_u (local.get $length) (local.get $packEnd))
              (i32.gt_u
                (local.get $offset)
                (i32.sub (local.get $packEnd) (local.get $length)))))
          (then (return (i32.const 0))))
        (local.set $window (i32.shr_u (local.get $offset) (i32.const 18)))
        (local.set $end
          (i32.shr_u
            (i32.sub (i32.add (local.get $offset) (local.get $length)) (i32.const 1))
            (i32.const 18)))
        (loop $needed
          (if
            (i32.eqz
              (i32.load
                (i32.add (local.get $windows) (i32.shl (local.get $window) (i32.const 2)))))
            (then (return (i32.sub (i32.const -1) (local.get $window)))))
          (br_if $needed
            (i32.le_u
              (local.tee $window (i32.add (local.get $window) (i32.const 1)))
              (local.get $end))))
        (local.set $ordinal
          (i32.load
            (i32.add
              (local.get $word)
              (i32.shl (local.get $column) (i32.const 1)))))
        (br_if $whole (i32.eq (local.get $ordinal) (i32.const -1)))
        (br_if $down (i32.lt_u (local.get $ordinal) (local.get $count)))
        (return (i32.const 0))))
    (loop $up
      (local.set $chain (i32.sub (local.get $chain) (i32.const 4)))
      (local.set $word
        (i32.add
          (local.get $look)
          (i32.shl (i32.load offset=139264 (local.get $chain)) (i32.const 2))))
      (local.set $offset (i32.load (local.get $word)))
      (local.set $length
        (i32.load (i32.add (local.get $word) (local.get $column))))
      (local.set $window
        (i32.add
          (local.get $windows)
          (i32.shl (i32.shr_u (local.get $offset) (i32.const 18)) (i32.const 2))))
      (local.set $offset (i32.and (local.get $offset) (i32.const 0x3ffff)))
      (local.set $at (i32.add (i32.load (local.get $window)) (local.get $offset)))
      (if (i32.gt_u (i32.add (local.get $offset) (local.get $length)) (i32.const 0x40000))
        (then
          (local.set $size (i32.sub (i32.const 0x40000) (local.get $offset)))
          (memory.copy (local.get $bounce) (local.get $at) (local.get $size))
          (memory.copy
            (i32.add (local.get $bounce) (local.get $size))
            (i32.load offset=4 (local.get $window))
            (i32.sub (local.get $length) (local.get $size)))
          (local.set $at (local.get $bounce))))
      (local.set $end (i32.add (local.get $at) (local.get $length)))
      ;; Type and size: four bits of it, then seven a byte.
      (local.set $byte (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $type (i32.and (i32.shr_u (local.get $byte) (i32.const 4)) (i32.const 7)))
      (local.set $size (i32.and (local.get $byte) (i32.const 15)))
      (local.set $shift (i32.const 4))
      (block $sized
        (loop $more
          (br_if $sized (i32.lt_u (local.get $byte) (i32.const 0x80)))
          (if (i32.gt_u (local.get $shift) (i32.const 18)) (then (return (i32.const 0))))
          (local.set $byte (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $size
            (i32.or
              (local.get $size)
              (i32.shl
                (i32.and (local.get $byte) (i32.const 0x7f))
                (local.get $shift))))
          (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
          (br $more)))
      (if (i32.gt_u (local.get $size) (local.get $max)) (then (return (i32.const 0))))
      (block $made
        (if (i32.eqz (local.get $bodySize))
          (then
            ;; The first one on the way up, and none that is empty: those need nothing to be quick.
            (if
              (i32.or
                (i32.or
                  (i32.eqz (local.get $size))
                  (i32.gt_u (i32.sub (local.get $type) (i32.const 1)) (i32.const 3)))
                (i32.eqz
                  (call $inflate
                    (local.get $at)
                    (local.get $end)
                    (local.get $body)
                    (local.get $size))))
              (then (return (i32.const 0))))
            (i32.store offset=24 (i32.const 0) (local.get $type))
            (local.set $bodySize (local.get $size))
            (br $made)))
        ;; A delta names its base by a distance, or by an oid. The index knows the base, and the name will tell if it is wrong.
        (if (i32.lt_u (local.get $type) (i32.const 6)) (then (return (i32.const 0))))
        (if (i32.eq (local.get $type) (i32.const 7))
          (then (local.set $at (i32.add (local.get $at) (i32.const 20))))
          (else
            (loop $distance
              (local.set $byte (i32.load8_u (local.get $at)))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (br_if $distance (i32.ge_u (local.get $byte) (i32.const 0x80))))))
        (if
          (i32.or
            (i32.ge_u (local.get $at) (local.get $end))
            (i32.eqz
              (call $inflate
                (local.get $at)
                (local.get $end)
                (local.get $delta)
                (local.get $size))))
          (then (return (i32.const 0))))
        (local.set $end (i32.add (local.get $delta) (local.get $size)))
        (local.set $at (local.get $delta))
        ;; The size of the base, then that of what it makes.
        (local.set $size (i32.const 0))
        (local.set $shift (i32.const 0))
        (loop $sizes
          (if (i32.gt_u (local.get $shift) (i32.const 21)) (then (return (i32.const 0))))
          (local.set $byte (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $size
            (i32.or
              (local.get $size)
              (i32.shl
                (i32.and (local.get $byte) (i32.const 0x7f))
                (local.get $shift))))
          (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
          (br_if $sizes (i32.ge_u (local.get $byte) (i32.const 0x80)))
          (if (local.get $bodySize)
            (then
              (if (i32.ne (local.get $size) (local.get $bodySize))
                (then (return (i32.const 0))))
              (local.set $offset (local.get $bodySize))
              (local.set $bodySize (i32.const 0))
              (local.set $size (i32.const 0))
              (local.set $shift (i32.const 0))
              (br $sizes))))
        (if
          (i32.or
            (i32.or
              (i32.eqz (local.get $size))
              (i32.gt_u (local.get $size) (local.get $max)))
            (i32.ne
              (call $apply
                (local.get $body)
                (local.get $offset)
                (local.get $at)
                (local.get $end)
                (local.get $next)
                (local.get $size))
              (local.get $size)))
          (then (return (i32.const 0))))
        (local.set $bodySize (local.get $size))
        (local.set $at (local.get $body))
        (local.set $body (local.get $next))
        (local.set $next (local.get $at)))
      (br_if $up (local.get $chain)))
    (i32.store offset=28 (i32.const 0) (local.get $bodySize))
    (call $name (local.get $body) (local.get $bodySize))
    (local.get $body))

  ;; Names an object of the type at 24: writes its header in front of it, backwards.
  (func $name (param $body i32) (param $size i32)
    (local $at i32) (local $rest i32) (local $from i32)
    (local.set $at (i32.sub (local.get $body) (i32.const 1)))
    (i32.store8 (local.get $at) (i32.const 0))
    (local.set $rest (local.get $size))
    (loop $digits
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8
        (local.get $at)
        (i32.add (i32.rem_u (local.get $rest) (i32.const 10)) (i32.const 48)))
      (br_if $digits (local.tee $rest (i32.div_u (local.get $rest) (i32.const 10)))))
    (local.set $from
      (i32.add
        (i32.shl (i32.load offset=24 (i32.const 0)) (i32.const 3))
        (i32.const 2392)))
    ;; Its name up to the space in front of it.
    (loop $letters
      (local.set $from (i32.sub (local.get $from) (i32.const 1)))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.load8_u (local.get $from)))
      (br_if $letters
        (i32.ne (i32.load8_u (i32.sub (local.get $from) (i32.const 1))) (i32.const 32))))
    (call $sha1 (local.get $at) (i32.add (local.get $body) (local.get $size))))
)
