internal import CLuaShim

extension LuaFunction {
  /// The functions of the module `hash` that compute: `sha256`, `sha512`, `md5`, `crc32`, `hmac`, `equal`,
  /// `base64`, `unbase64`, `hex`, `unhex`.
  ///
  ///     hash.sha256("abc")          --> "ba7816bf…"
  ///     hash.unbase64("Zm9v")       --> "foo"; nil and why not for what is no base64
  ///
  /// They end at the run's deadline whatever the size of their argument, and their results count as the state's memory.
  /// O(bytes).
  package static var hashes: [LuaFunction] {
    // Each is a `lua_CFunction` of the shim, which the template calls as one.
    unsafe [
      .native("sha256", moon_hash_sha256), .native("hmac", moon_hash_hmac),
      .native("sha512", moon_hash_sha512), .native("md5", moon_hash_md5), .native("crc32", moon_hash_crc32),
      .native("equal", moon_hash_equal), .native("base64", moon_hash_base64),
      .native("unbase64", moon_hash_unbase64), .native("hex", moon_hash_hex), .native("unhex", moon_hash_unhex),
    ]
  }
}
