internal import Basics
internal import CDigest
internal import JobModel

/// Texts of many bytes lie once in a collection of their own, by their SHA-256, however many documents have them: an
/// event of a megabyte that a thousand jobs listen to is a megabyte. A document has the hash in their place.
///
/// They are written before the commit of the documents that name them; what nobody names is removed an hour later at
/// the earliest.
struct LongTexts {
  /// Bytes that a document keeps in itself.
  static let inlineBytes = 2_048

  /// By hash.
  private(set) var texts: [[UInt8]: String] = [:]

  /// What a document has for `text`.
  mutating func value(_ text: String) -> BSON {
    guard text.utf8.count > Self.inlineBytes else { return .text(text) }
    let hash = Self.hash(text)
    texts[hash] = text
    return .bytes(hash)
  }

  static func hash(_ text: String) -> [UInt8] {
    var message = moon_sha256()
    var hash = [UInt8](repeating: 0, count: 32)
    let bytes = Array(text.utf8)
    // Safe: reads as many bytes as the array has, and writes the 32 that there are.
    unsafe moon_sha256_start(&message)
    unsafe moon_sha256_add(&message, bytes, bytes.count)
    unsafe moon_sha256_end(&message, &hash)
    return hash
  }
}

/// Texts that were written not long ago, which need not be written again. Time is that since boot, sleep included, as
/// it passes for the server that removes them.
///
/// Owned by the writer.
struct RecentTexts {
  /// They are removed an hour after they were written last, at the earliest, and written again long before.
  private static let validFor: Int64 = 20 * 60 * 1_000_000_000
  private static let most = 10_000
  private var writtenAt: [[UInt8]: Int64] = [:]

  /// Those of `texts` that have to be written.
  func missing(of texts: LongTexts, now: Int64) -> [(hash: [UInt8], text: String)] {
    texts.texts.filter { hash, _ in writtenAt[hash].map { now - $0 > Self.validFor } ?? true }
      .map { (hash: $0.key, text: $0.value) }
  }

  /// They have been removed.
  mutating func forget(_ hashes: [BSON]) { for hash in hashes { hash.bytes.map { writtenAt[$0] = nil } } }

  mutating func wrote(_ hash: [UInt8], at now: Int64) {
    if writtenAt.count >= Self.most { writtenAt = [:] }
    writtenAt[hash] = now
  }
}
