# Runs as the first process of new mount, PID and host name namespaces: makes this machine look like a
# SageMaker container, then becomes the container's program.
#   container.sh FILES HOST READONLY… -- PROGRAM…
# FILES: a directory with ml (to be /opt/ml) and hosts (to be /etc/hosts).
set -e
files=$1 host=$2
shift 2

mount --make-rprivate /
# What lies in /opt stays visible beside /opt/ml.
if [ ! -d /opt/ml ]; then
  mkdir -p "$files/opt"
  mount --rbind /opt "$files/opt"
  mount -t tmpfs tmpfs /opt
  for entry in "$files"/opt/* "$files"/opt/.[!.]*; do
    [ -e "$entry" ] || continue
    if [ -d "$entry" ]; then mkdir "/opt/${entry##*/}"; else : > "/opt/${entry##*/}"; fi
    mount --rbind "$entry" "/opt/${entry##*/}"
  done
  mkdir /opt/ml
fi
mount --bind "$files/ml" /opt/ml
mount --bind "$files/hosts" /etc/hosts
mount -t tmpfs tmpfs /dev/shm
# The user's packages are read, never written.
while [ "$1" != -- ]; do
  mount --bind "$1" "$1"
  # An ordinary user may not drop what the mount below it has, such as nosuid of /home.
  for flags in ro ro,nosuid ro,nosuid,nodev ro,nodev; do
    if mount -o "remount,bind,$flags" "$1" 2>/dev/null; then break; fi
  done
  shift
done
shift
hostname "$host"
ip link set lo up 2>/dev/null || true
cd /
exec "$@"
