package import Hosting
internal import Synchronization

extension EventStream {
  /// What a reader of a journal gets.
  ///
  /// A client that has missed something is told so first, by a frame `gap` with the reason, and goes on with what there
  /// is.
  ///
  /// - Parameter render: the name and the data of an entry; nil: it is not for this client.
  package static func journal<Content: Sendable>(
    _ reader: JournalReader<Content>,
    _ render: @escaping @Sendable (JournalEntry<Content>) -> (event: String, data: String)?
  ) -> EventStream {
    EventStream {
      while let page = await reader.next(limit: 200) {
        let host = page.next.host
        var text = ""
        if let gap = page.gap {
          // Its id is that of the event before the first one that is still there.
          let before = (page.entries.first?.number ?? page.next.number + 1) - 1
          text += frame(
            id: JournalPosition(host: host, number: before).description, event: "gap",
            data: "{\"reason\":\"\(gap.rawValue)\"}")
        }
        for entry in page.entries {
          guard let (event, data) = render(entry) else { continue }
          text += frame(
            id: JournalPosition(host: host, number: entry.number).description, event: event, data: data)
        }
        if !text.isEmpty { return text }
      }
      return ""
    }
  }
}
