import JobModel

extension JobIndex {
  /// As `JobIndex.offset` of JobModel, which is a call here: package declarations are not inlined across modules, and a
  /// fire asks some forty times.
  @inline(__always)
  var offset: Int { Int(position) }
}
