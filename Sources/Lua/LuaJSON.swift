internal import CLuaShim

extension LuaModule {
  /// The global `json` of scripts: `encode`, `decode`, `array`, `object`, `null`.
  ///
  ///     json.encode({ b = { 1, 2 }, a = json.null })        --> {"a":null,"b":[1,2]}
  ///     json.decode("[1")                                   --> nil, "line 1, column 3: expected ',' or ']'"
  ///
  /// moon_json.h has the rules.
  package static var json: LuaModule {
    // Each is a `lua_CFunction` of the shim, which the template calls as one.
    unsafe LuaModule(
      "json",
      functions: [
        .native("encode", moon_json_encode), .native("decode", moon_json_decode), .native("array", moon_json_array),
        .native("object", moon_json_object), .native("null", moon_json_push_null),
      ],
      // The function makes room for the value it returns: an address of this process, which no script can make another
      // way.
      prelude: "local json = ... json.null = json.null()")
  }
}
