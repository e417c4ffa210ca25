/**
 * The programs that carry forwarded bytes inside of a container, for those of its interpreters that know sockets.
 *
 * Each says on its standard error what becomes of it (`connected`, `listening`, `accepted`, `failed`); its standard output
 * is the connection's alone. Host, port and path come as arguments, never as a part of a script.
 *
 * @since 0.1.0
 */

/** Longer than any connection, in seconds: how long one direction may go on after the other has ended. */
const forEver = 2_000_000

/** Both directions are ended one by one. The mark ends the output, because an engine would close the input with it. */
const copyInPerl = `
sub copy {
  my ($in, $out) = @_;
  my $n;
  while ($n = sysread $in, my $bytes, 65536) {
    for (my $done = 0; $done < $n; ) {
      $done += (syswrite $out, $bytes, $n - $done, $done) // return 0;
    }
  }
  return defined $n;
}`

/**
 * `MARK HOST PORT` or `MARK PATH`: connects its input and output to a port or to a Unix socket.
 *
 * @since 0.1.0
 * @category scripts
 */
export const connectInPerl = `use strict; use Socket qw(:all);
my ($mark, $host, $port) = @ARGV;
$SIG{PIPE} = 'IGNORE';
my ($socket, $why);
if (defined $port) {
  my ($error, @found) = getaddrinfo($host, $port, { socktype => SOCK_STREAM });
  $why = "$error";
  for (@found) {
    last if socket($socket, $_->{family}, SOCK_STREAM, 0) && connect($socket, $_->{addr});
    # What the first address says tells more than that there is no IPv6.
    $why ||= "$!";
    undef $socket;
  }
  setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1) if $socket;
} elsif (!socket($socket, AF_UNIX, SOCK_STREAM, 0) || !connect($socket, pack_sockaddr_un($host))) {
  ($why, $socket) = "$!";
}
if (!$socket) { syswrite STDERR, "failed: $why\\n"; exit 1 }
syswrite STDERR, "connected\\n";
${copyInPerl}
my $writer = fork // exit 1;
if (!$writer) { copy(\\*STDIN, $socket); shutdown $socket, 1; exit }
if (copy($socket, \\*STDOUT)) { syswrite STDOUT, $mark } else { kill 'KILL', $writer }
waitpid $writer, 0;
`

/**
 * `NAME HOST PORT`, `NAME PATH` or `NAME`: listens on a port, on a Unix socket at a path, or on one in a directory of its
 * own, which NAME makes unique, until its input ends. Each connection that it accepts waits for half a minute at a Unix
 * socket in that directory, whose path it tells, and is then carried over.
 *
 * @since 0.1.0
 * @category scripts
 */
export const listenInPerl = `use strict; use Socket qw(:all);
my ($name, $host, $port) = @ARGV;
$SIG{PIPE} = 'IGNORE'; $SIG{CHLD} = 'IGNORE';
umask 0177;
my ($directory, $path, $socket);
sub leave {
  unlink $path if defined $path;
  if (defined $directory && opendir my $all, $directory) { unlink map "$directory/$_", readdir $all }
  rmdir $directory if defined $directory;
  exit $_[0];
}
sub failed { syswrite STDERR, "failed: $_[0]\\n"; leave(1) }
$SIG{$_} = sub { leave(0) } for qw(HUP INT TERM);
for ($ENV{TMPDIR} // (), '/tmp', '/dev/shm', '/run') {
  if (mkdir "$_/dockerrun-$name", 0700) { chmod 0700, $directory = "$_/dockerrun-$name"; last }
}
failed('no directory to write to') unless defined $directory;
if (defined $port) {
  my ($error, $found) = getaddrinfo($host, $port, { socktype => SOCK_STREAM, flags => AI_PASSIVE });
  failed("$error") unless $found;
  socket($socket, $found->{family}, SOCK_STREAM, 0) && setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1)
    && bind($socket, $found->{addr}) or failed("$!");
} else {
  my $wanted = $host // "$directory/agent";
  socket($socket, AF_UNIX, SOCK_STREAM, 0) && bind($socket, pack_sockaddr_un($wanted)) or failed("$!");
  $path = $wanted;
}
listen($socket, 128) or failed("$!");
sub numeric { my ($error, @is) = getnameinfo($_[0], NI_NUMERICHOST | NI_NUMERICSERV); @is }
syswrite STDERR, "listening " . (defined $path ? $path : (numeric(getsockname $socket))[1]) . "\\n";
${copyInPerl}
sub carry {
  my ($client, $meeting, $place) = @_;
  $SIG{$_} = 'DEFAULT' for qw(HUP INT TERM);
  open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
  vec(my $ready = '', fileno $meeting, 1) = 1;
  my $came = select($ready, undef, undef, 30) > 0 && accept(my $server, $meeting);
  unlink $place;
  exit unless $came;
  my $other = fork // exit;
  my ($in, $out) = $other ? ($client, $server) : ($server, $client);
  copy($in, $out); shutdown $out, 1;
  waitpid $other, 0 if $other;
  exit;
}
for (my $count = 1; ; ) {
  vec(my $ready = '', fileno STDIN, 1) = 1; vec($ready, fileno $socket, 1) = 1;
  select($ready, undef, undef, undef) > 0 or next;
  leave(0) if vec($ready, fileno STDIN, 1) && !sysread STDIN, my $bytes, 1024;
  next unless vec($ready, fileno $socket, 1);
  my $peer = accept(my $client, $socket) or next;
  my $place = "$directory/" . $count++;
  my $meeting;
  socket($meeting, AF_UNIX, SOCK_STREAM, 0) && bind($meeting, pack_sockaddr_un($place)) && listen($meeting, 1) or next;
  my $child = fork // next;
  if (!$child) { close $socket; carry($client, $meeting, $place) }
  syswrite STDERR, join(' ', 'accepted', $place, defined $path ? () : numeric($peer)) . "\\n";
}
`

/**
 * `MARK ADDRESS`: connects its input and output to an address of socat. It is not socat that writes to the output, so that
 * there is somebody to mark its end when the other side has ended and socat still reads.
 *
 * @since 0.1.0
 * @category scripts
 */
export const connectWithSocat = `socat -d -d -b 65536 -t ${forEver} 'STDIN!!STDOUT,shut-close' "$2" |
  { cat; printf %s "$1"; }`

/** The connection is its input and output; it waits for half a minute at a socket that the process's id names. */
const carryWithSocat = `{
  until [ -S $$ ]; do sleep 0.02 2>/dev/null || sleep 1; done
  peer=\${SOCAT_PEERADDR#[}
  echo accepted "$PWD/$$" "\${peer%]}" "$SOCAT_PEERPORT" >&2
} </dev/null >/dev/null &
exec socat -b 65536 -t ${forEver} FD:0,shut-down UNIX-LISTEN:$$,accept-timeout=30 2>/dev/null`

/**
 * `NAME ADDRESS [PATH]`: listens at an address of socat, or in the directory that NAME makes unique if there is none, until
 * its input ends, and does with connections as the one in perl does. PATH is removed at the end.
 *
 * @since 0.1.0
 * @category scripts
 */
export const listenWithSocat = `umask 077
case $TMPDIR in *[!A-Za-z0-9/._-]*) TMPDIR= ;; esac
for base in $TMPDIR /tmp /dev/shm /run; do
  mkdir -m 700 "$base/dockerrun-$1" 2>/dev/null && directory=$base/dockerrun-$1 && break
done
cd "\${directory:?failed: no directory to write to}" || exit 1
cat >carry <<'END'
${carryWithSocat}
END
address=\${2:-UNIX-LISTEN:$directory/agent,mode=600} path=$3
leave() {
  trap '' HUP INT TERM
  kill $socat 2>/dev/null
  rm -rf "$directory"
  [ -z "$path" ] || rm -f "$path"
}
trap 'leave; exit' HUP INT TERM
exec 3<&0 </dev/null >/dev/null
socat -d -d "$address,fork" EXEC:'sh carry',nofork 3<&- &
socat=$!
{ cat; kill $socat; } <&3 2>/dev/null &
exec 3<&-
wait $socat
leave`

/**
 * `HOST PORT`: by BusyBox's nc, which passes the end of the input on, ends with the output, and does not say when it is
 * connected. The kernel does: its socket is in the table of those that are.
 *
 * @since 0.1.0
 * @category scripts
 */
export const connectWithBusyboxNc = `exec 3<&0
nc "$1" "$2" <&3 3<&- &
nc=$!
exec 3<&- </dev/null
while kill -0 $nc 2>/dev/null; do
  socket=$(readlink /proc/$nc/fd/3)
  number=\${socket#socket:[}
  number=\${number%]}
  if [ -n "$number" ] && cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    grep -q ": [0-9A-F:]* [0-9A-F:]* 0[1458] .* $number "; then
    echo connected >&2
    break
  fi
  sleep 0.02 2>/dev/null || sleep 1
done
wait $nc && echo connected >&2`

/**
 * `HOST PORT`: by bash's own connections, which end in both directions at once or not at all. The end of the input is not
 * passed on; the end of the output is the end.
 *
 * @since 0.1.0
 * @category scripts
 */
export const connectInBash = `exec 3<>"/dev/tcp/$1/$2" || exit 1
echo connected >&2
cat <&0 >&3 2>/dev/null &
cat <&3
kill $! 2>/dev/null`

/**
 * Names what this container can be reached with, a word a line.
 *
 * @since 0.1.0
 * @category scripts
 */
export const probe = `perl -MSocket=getaddrinfo,pack_sockaddr_un -e 'print "perl\\n"' 2>/dev/null
command -v socat >/dev/null 2>&1 && echo socat
case "$(nc --help 2>&1)" in *BusyBox*) echo busybox-nc ;; esac
command -v bash >/dev/null 2>&1 && echo bash
:`
