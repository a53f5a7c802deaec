/// Paths as the kernel reads them, without looking at a disk: bytes, of which only the slash and the zero byte mean
/// something. (A path as Swift's characters is another thing: a slash with an accent on it is no slash there.)
package enum PlainPath {
  package static let slash = UInt8(ascii: "/")
  package static let star = UInt8(ascii: "*")

  /// `path` made absolute, with `.` and `..` worked out and no slash at the end.
  package static func absolute(_ path: [UInt8], from base: [UInt8]) -> [UInt8] {
    var components: [ArraySlice<UInt8>] = []
    for component in (path.first == slash ? path : base + [slash] + path).split(separator: slash) {
      if component.elementsEqual(".".utf8) { continue }
      if component.elementsEqual("..".utf8) { _ = components.popLast() } else { components.append(component) }
    }
    return [slash] + components.joined(separator: [slash])
  }

  package static func absolute(_ path: String, from base: String) -> String {
    // Both are UTF-8, and it is cut at slashes only.
    String(decoding: absolute(Array(path.utf8), from: Array(base.utf8)), as: UTF8.self)
  }

  /// The components of `path` below `root` (both absolute and worked out), or nil when it is not there.
  package static func components(of path: [UInt8], below root: [UInt8]) -> [[UInt8]]? {
    let own = path.split(separator: slash)
    let rootComponents = root.split(separator: slash)
    guard own.starts(with: rootComponents) else { return nil }
    return own.dropFirst(rootComponents.count).map { Array($0) }
  }

  package static func components(of path: String, below root: String) -> [String]? {
    components(of: Array(path.utf8), below: Array(root.utf8))?.map { String(decoding: $0, as: UTF8.self) }
  }
}

extension [UInt8] {
  /// Calls `body` with the bytes and a zero byte behind them.
  package func withTerminated<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    let terminated = map { CChar(bitPattern: $0) } + [0]
    // Safe: the array outlives the call, and is not empty.
    return unsafe terminated.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
  }
}
