;; A list of numbers in stable memory, with a block of bytes for each: what a test can recount after a crash.
;; Stable memory: the count at 0; number i at 64 + 4 i; from 1 MiB on sixteen blocks of 64 KiB, of which number n fills n mod 16.
(module
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reply" (func $msg_reply))
  (import "ic0" "stable64_grow" (func $stable_grow (param i64) (result i64)))
  (import "ic0" "stable64_write" (func $stable_write (param i64 i64 i64)))
  (import "ic0" "stable64_read" (func $stable_read (param i64 i64 i64)))

  (memory (export "memory") 2)

  (func (export "canister_init") (drop (call $stable_grow (i64.const 32))))

  (func $load_count (call $stable_read (i64.const 32) (i64.const 0) (i64.const 4)))

  ;; Takes a number and a length (32 bits each); replies with the number's place in the list.
  (func (export "canister_update put")
    (local $count i32)
    (call $arg_copy (i32.const 16) (i32.const 0) (i32.const 8))
    (call $load_count)
    (local.set $count (i32.load (i32.const 32)))
    (call $stable_write
      (i64.extend_i32_u (i32.add (i32.const 64) (i32.mul (local.get $count) (i32.const 4))))
      (i64.const 16) (i64.const 4))
    (memory.fill (i32.const 1024) (i32.load (i32.const 16)) (i32.load (i32.const 20)))
    (call $stable_write
      (i64.add
        (i64.const 1048576)
        (i64.mul (i64.extend_i32_u (i32.and (i32.load (i32.const 16)) (i32.const 15))) (i64.const 65536)))
      (i64.const 1024) (i64.extend_i32_u (i32.load (i32.const 20))))
    (i32.store (i32.const 32) (i32.add (local.get $count) (i32.const 1)))
    (call $stable_write (i64.const 0) (i64.const 32) (i64.const 4))
    (i32.store (i32.const 32) (local.get $count))
    (call $append (i32.const 32) (i32.const 4))
    (call $msg_reply))

  (func (export "canister_query count")
    (call $load_count)
    (call $append (i32.const 32) (i32.const 4))
    (call $msg_reply))

  ;; Reads the block whose number is given.
  (func (export "canister_query block")
    (call $arg_copy (i32.const 16) (i32.const 0) (i32.const 4))
    (call $stable_read
      (i64.const 1024)
      (i64.add (i64.const 1048576) (i64.mul (i64.load32_u (i32.const 16)) (i64.const 65536)))
      (i64.const 65536))
    (call $append (i32.const 1024) (i32.const 65536))
    (call $msg_reply)))
