/// What a run that has succeeded leaves behind (`ctx.outbox`): committed with its success, or not at all.
package final class RunOutbox: Sendable {
  package let keyValues: [KeyValueChange]
  package let operations: [RunOperation]
  /// The operations as the store keeps them; nil: there are none.
  package let encoded: JSONText?

  package init(keyValues: [KeyValueChange], operations: [RunOperation], encoded: JSONText?) {
    self.keyValues = keyValues
    self.operations = operations
    self.encoded = encoded
  }
}
