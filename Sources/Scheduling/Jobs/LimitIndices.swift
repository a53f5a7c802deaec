/// A limiter queue: a position in `LimitTable.queues`.
struct LimiterQueueIndex: TableIndex {
  let position: Int32
}

/// A group: a position in `LimitTable.groups`.
struct GroupIndex: TableIndex {
  let position: Int32
}
