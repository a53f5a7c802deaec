internal import CLuaShim

/// A place where code names a global.
package struct LuaGlobalUse: Sendable, Equatable {
  package let name: String
  /// Assigned there; else read.
  package let isAssigned: Bool
  package let file: String
  /// 0 when it is not known.
  package let line: Int

  package init(name: String, isAssigned: Bool, file: String, line: Int) {
    self.name = name
    self.isAssigned = isAssigned
    self.file = file
    self.line = line
  }

  /// What to use instead of a stock global that scripts do not have: "use fs for files…".
  package static func instead(of name: String) -> String? {
    unsafe moon_instead_of(name).map { unsafe String(cString: $0) }
  }

  /// The list that `moon_state_globals` writes, which is well formed.
  static func read(_ bytes: UnsafeRawBufferPointer) -> [LuaGlobalUse] {
    var uses: [LuaGlobalUse] = []
    var at = 0
    func number() -> Int {
      defer { at += 4 }
      return unsafe Int(bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
    }
    func text() -> String {
      let size = number()
      defer { at += size }
      return unsafe String(decoding: UnsafeRawBufferPointer(rebasing: bytes[at..<at + size]), as: UTF8.self)
    }
    while at < bytes.count {
      let isAssigned = unsafe bytes[at] != 0
      at += 1
      let line = number()
      let source = text()
      let file = source.hasPrefix("@") || source.hasPrefix("=") ? String(source.dropFirst()) : source
      uses.append(LuaGlobalUse(name: text(), isAssigned: isAssigned, file: file, line: line))
    }
    return uses
  }
}
