/// One change of one document. Applying it twice is the same as once, and applying it after a later one changes
/// nothing: documents carry the number of the commit that changed them last (`v`), and only an earlier one is changed.
struct Change: Sendable {
  enum Body: Sendable {
    /// The whole document.
    case put(BSONDocument)
    /// Some fields, of a document that is there.
    case merge(BSONDocument)
    case remove
  }
  let collection: String
  let key: BSON
  /// A document of nothing but the key, as it is sent.
  let id: [UInt8]
  /// Of the commit that it is of.
  var sequence: Int64 = 0
  private let kind: Kind
  /// The document or the fields, as they are sent: encoded once for the journal and the command.
  private let bytes: [UInt8]
  /// Whether it is the first one of its document, as far as the writer knows.
  var isNew = false
  /// Of a removal: whether the document may have never been there, and its mark is to be there nevertheless.
  private var leavesMark = false

  private enum Kind { case put, merge, remove }

  /// Bytes of the document.
  var size: Int { bytes.count }

  init(_ collection: String, _ key: BSON, _ body: Body, isNew: Bool = false) {
    self.collection = collection
    self.key = key
    self.isNew = isNew
    id = (["_id": key] as BSONDocument).bytes
    switch body {
    case .put(let document): (kind, bytes) = (.put, document.bytes)
    case .merge(let fields): (kind, bytes) = (.merge, fields.bytes)
    case .remove: (kind, bytes) = (.remove, [])
    }
  }

  /// What this change and one of a later commit make of the document together. Who applies both, one after the other,
  /// before or after it, gets the same.
  func followed(by later: Change) -> Change {
    var both: Change
    switch (kind, later.kind) {
    case (_, .put):
      both = later
      both.isNew = isNew && kind == .put
    case (.put, .merge), (.merge, .merge):
      var document = BSONDocument(bytes) ?? [:]
      document.set(BSONDocument(later.bytes) ?? [:])
      both = Change(collection, key, kind == .put ? .put(document) : .merge(document), isNew: isNew)
    case (.remove, .merge): both = self
    case (_, .remove):
      both = later
      // What a frozen process sends late of the one that nobody has applied must find the mark.
      both.leavesMark = leavesMark || kind == .put
    }
    both.sequence = later.sequence
    return both
  }

  // MARK: As it is sent

  /// An entry of the command `update`. The mark of what is removed has the server's time, by which the server takes it
  /// away.
  var update: BSON {
    let filter: BSON = ["_id": key, "v": ["$lt": .int(sequence)]]
    switch kind {
    case .put: return ["q": filter, "u": .encoded(numbered), "upsert": true]
    case .merge: return ["q": filter, "u": ["$set": .encoded(numbered)]]
    case .remove:
      let mark: BSON = ["_id": "$_id", "v": .int(sequence), "gone": "$$NOW"]
      return ["q": filter, "u": [["$replaceWith": mark]], "upsert": .bool(leavesMark)]
    }
  }

  /// A document of the command `insert`.
  var insertion: [UInt8] { BSONDocument.joined([id, numbered]) }

  private var numbered: [UInt8] { BSONDocument.joined([bytes, (["v": .int(sequence)] as BSONDocument).bytes]) }

  /// An entry of the command `update` that makes the document what it is here, unless a host has changed it: what a
  /// migration that was frozen sends late is refused as a duplicate then.
  var replacement: BSON {
    var moved = self
    moved.sequence = 0
    return ["q": ["_id": key, "v": 0], "u": .encoded(moved.numbered), "upsert": true]
  }

  // MARK: In a journal

  var document: BSONDocument {
    var document: BSONDocument = ["c": .text(collection), "k": key]
    switch kind {
    case .put: document.add("put", .encoded(bytes))
    case .merge: document.add("merge", .encoded(bytes))
    case .remove: break
    }
    return document
  }

  init?(_ document: BSONDocument, sequence: Int64) {
    guard let collection = document["c"]?.text, let key = document["k"] else { return nil }
    if let whole = document["put"]?.document {
      self.init(collection, key, .put(whole))
    } else {
      self.init(collection, key, document["merge"]?.document.map { .merge($0) } ?? .remove)
    }
    self.sequence = sequence
  }
}
