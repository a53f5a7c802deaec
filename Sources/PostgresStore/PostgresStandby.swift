internal import Basics
internal import JobModel

/// Waiting for a store that another host schedules from.
enum PostgresStandby {
  /// For what a host waits, as it was when it began to.
  struct Awaited: Sendable {
    /// It is another host's lease: not that of this host's predecessor, which died, and not a migration's.
    var isOthers: Bool
    /// How many hosts had taken the store by then; nil: the server did not say.
    var changes: Int64?

    /// Whether a host that has the store as the `changes`th one takes it over from another: from the one that it waited
    /// for, or from one that was quicker since.
    func isTakeover(by changes: Int64) -> Bool {
      isOthers || self.changes.map { changes > $0 + 1 } ?? true
    }
  }

  /// Takes the lease; while another host has it, waits when `options` say so, for the end of the lease or word that it
  /// was given back. A server that goes away meanwhile is waited for as well.
  ///
  /// - Parameter connection: replaced when it breaks.
  static func take(
    _ connection: inout PostgresConnection, _ target: PostgresTarget, setup: String, _ options: PostgresStore.Options
  ) throws(StoreError) -> PostgresLease {
    let link = MemberLink.of(target, options.node)
    var hasSaid = false
    var awaited: Awaited?
    var listens = false
    // A beat that was under way when word came may tell what was before it.
    var mustAsk = false
    while true {
      do throws(StoreError) {
        if connection.isBroken {
          listens = false
          mustAsk = true
          connection = try PostgresConnection(target, setup: setup)
        }
        // Before the first try: what is told after it is heard.
        if options.standsBy != nil, !listens { _ = try connection.ask("LISTEN \(PostgresSchema.channel)") }
        listens = true
        // What is not free is not tried: the host's own beats tell how long, or one question does.
        var wait: Int64 = 0
        if hasSaid {
          if !mustAsk, let known = link?.untilFree(options.lease) {
            wait = known + margin
          } else {
            wait = try untilFree(connection, options)
          }
          mustAsk = false
        }
        if wait > 0 {
          mustAsk = try connection.awaitNotice(for: wait)
          continue
        }
        let lease = try PostgresLease.take(
          connection, target, node: options.node, length: options.lease, byForce: options.takesByForce,
          after: awaited)
        if options.standsBy != nil { _ = try connection.ask("UNLISTEN \(PostgresSchema.channel)") }
        return lease
      } catch {
        // Half a store is no host's to wait for.
        let isHeld = error.code == .locked && error != target.halfMoved
        guard let standsBy = options.standsBy, isHeld || hasSaid && connection.isBroken else { throw error }
        if !hasSaid {
          let (why, whose) = said(connection, target, options.node)
          awaited = whose
          standsBy(why)
        }
        hasSaid = true
        if connection.isBroken { pause() }
      }
    }
  }

  /// Nanoseconds for which nothing but word of it can make the store free for this host: what is left of another one's
  /// lease, by the server's clock, and a moment more; of one that is drained, the length of a lease.
  private static func untilFree(
    _ connection: PostgresConnection, _ options: PostgresStore.Options
  ) throws(StoreError) -> Int64 {
    let rows = try connection.ask(
      """
      SELECT CASE WHEN \(PostgresLease.isFree) THEN 0 \
      ELSE (extract(epoch FROM expires_at - clock_timestamp()) * 1e9)::bigint END, \
      EXISTS(SELECT FROM members WHERE name = $1 AND draining) FROM leadership
      """
    ) { $0.add(options.node) }
    guard rows.count == 1 else { return shortestWait }
    if rows.integer(0, 1) != 0 { return options.lease }
    let left = rows.integer(0, 0)
    return left > 0 ? max(shortestWait, min(left + margin, options.lease)) : 0
  }

  /// Why the host waits, and for whom.
  private static func said(
    _ connection: PostgresConnection, _ target: PostgresTarget, _ node: String?
  ) -> (why: String, whose: Awaited) {
    var holder: PostgresLease.Holder?
    var awaited = Awaited(isOthers: false)
    do throws(StoreError) {
      let isDrained = if let node { try PostgresMembers.isDraining(connection, node) } else { false }
      holder = try PostgresLease.holder(connection)
      let isOwn = holder?.node == node ?? ProcessPlace.machine
      awaited = Awaited(isOthers: holder.map { !$0.moves && !isOwn } ?? false, changes: holder?.changes ?? 0)
      if isDrained, let node {
        return ("\(target.location): this host is drained (`moondial nodes resume \(node)` ends that)", awaited)
      }
    } catch {}
    return ("\(target.location): another host has it (\(holder?.description ?? "it has just started"))", awaited)
  }

  private static let shortestWait: Int64 = 100_000_000
  private static let margin: Int64 = 20_000_000

  /// With no server there is nothing that could wake anybody.
  private static func pause() {
    let nothing = Monitor(())
    _ = nothing.wait(until: monotonicNow() + 500_000_000) { _ -> Void? in nil }
  }
}
