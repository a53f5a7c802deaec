/// At most `count` starts in any stretch of time of this length.
///
///     rate = "10/1m"      -- in a job, or in a group of moondial.lua
///
/// Every attempt is a start, retries too: what a rate protects feels each of them.
public struct RateLimit: Sendable, Hashable, CustomStringConvertible {
  /// Starts, at least 1.
  public let count: Int
  /// Nanoseconds, at least a millisecond.
  public let window: Int64
  /// How it was written, for messages: `10/1m`.
  public let text: String

  /// - Precondition: `count` and `window` are within `RateLimit.counts` and `RateLimit.windows`.
  public init(count: Int, window: Int64, text: String) {
    precondition(Self.counts.contains(count) && Self.windows.contains(window), "rate \(text) is outside its limits")
    self.count = count
    self.window = window
    self.text = text
  }

  /// What `count` may be.
  public static let counts = 1...1_000_000
  /// What `window` may be: a millisecond to a year.
  public static let windows: ClosedRange<Int64> = 1_000_000...366 * 86_400 * 1_000_000_000

  public var description: String { text }

  /// Equal rates limit equally, however they are written.
  public static func == (a: RateLimit, b: RateLimit) -> Bool { a.count == b.count && a.window == b.window }
  public func hash(into hasher: inout Hasher) {
    hasher.combine(count)
    hasher.combine(window)
  }
}

/// What the jobs of one group may do together: `groups = { db = { max = 2, rate = "10/1m" } }` in moondial.lua.
public struct GroupLimit: Sendable, Hashable {
  /// Runs at the same time (claimed, running, suspended or stuck); nil: any number.
  public var max: Int?
  public var rate: RateLimit?

  public init(max: Int? = nil, rate: RateLimit? = nil) {
    self.max = max
    self.rate = rate
  }
}
