#!/bin/sh
# entry.sh SERVICE HOST:PORT…: what a container of the stack runs, the first time once something listens at each place.
# /stack is what `slurmlens stack compose` wrote, read-only: settings and secrets. Services that speak to Slurm run a
# munged of their own with the stack's key. A container that is started again finds its own files as it left them.
set -eu

munge_up() {
    install -d -o munge -g munge -m 700 /etc/munge /var/lib/munge /var/log/munge
    install -d -o munge -g munge -m 755 /run/munge
    install -o munge -g munge -m 400 /stack/secrets/munge.key /etc/munge/munge.key
    setpriv --reuid=munge --regid=munge --clear-groups munged
}

demo_users() {
    grep -qxFf /stack/etc/passwd /etc/passwd && return
    cat /stack/etc/passwd >>/etc/passwd
    cat /stack/etc/group >>/etc/group
}

# Runs it again a second after it ended: what a container has beside its main process.
keep_up() {
    while :; do
        "$@" || true
        sleep 1
    done
}

carbon_cache() {
    rm -f /tmp/carbon.pid
    python3 /opt/graphite/bin/carbon-cache.py --config=/stack/etc/graphite/carbon.conf --pidfile=/tmp/carbon.pid \
        --logdir=/var/lib/graphite/storage/log --nodaemon start
}

service=$1
shift
if [ ! -e /tmp/has-begun ]; then
    for place in "$@"; do
        bash -c "until (exec 3<>/dev/tcp/${place%:*}/${place#*:}) 2>/dev/null; do sleep 0.5; done"
    done
    touch /tmp/has-begun
fi

case "$service" in
consul)
    exec consul agent -server -bootstrap-expect=1 -data-dir=/var/lib/consul -bind='{{ GetPrivateIP }}' -client=0.0.0.0
    ;;
mariadb)
    [ -d /var/lib/mysql/mysql ] || mariadb-install-db --datadir=/var/lib/mysql --auth-root-authentication-method=socket >/dev/null
    password=$(cat /stack/secrets/mariadb)
    cat >/tmp/grants.sql <<SQL
create database if not exists slurm_acct_db;
create user if not exists slurm@'%' identified by '$password';
grant all on slurm_acct_db.* to slurm@'%';
SQL
    exec mariadbd --datadir=/var/lib/mysql --socket=/tmp/mysqld.sock --pid-file=/tmp/mariadbd.pid --bind-address=0.0.0.0 --init-file=/tmp/grants.sql \
        --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900
    ;;
slurmdbd)
    munge_up
    install -d -o slurm -g slurm /run/slurmdbd
    install -o slurm -g slurm -m 600 /stack/secrets/slurmdbd.conf /etc/slurm/slurmdbd.conf
    exec setpriv --reuid=slurm --regid=slurm --init-groups slurmdbd -D
    ;;
slurmctld)
    munge_up
    demo_users
    cp /stack/etc/slurm.conf /stack/etc/cgroup.conf /etc/slurm/
    chown slurm:slurm /var/spool/slurmctld
    sh /stack/etc/accounts.sh >/dev/null 2>&1 || true
    exec setpriv --reuid=slurm --regid=slurm --init-groups slurmctld -D -i
    ;;
carbon)
    export PYTHONPATH=/opt/graphite/lib:/stack/etc/graphite GRAPHITE_ROOT=/var/lib/graphite GRAPHITE_CONF_DIR=/stack/etc/graphite
    export GRAPHITE_STORAGE_DIR=/var/lib/graphite/storage GRAPHITE_SETTINGS_MODULE=render_settings
    mkdir -p /var/lib/graphite/storage/whisper /var/lib/graphite/storage/log/webapp
    keep_up carbon_cache &
    exec python3 -m waitress --listen=0.0.0.0:8888 --threads=2 graphite.wsgi:application
    ;;
hub)
    munge_up
    demo_users
    cp /stack/etc/slurm.conf /etc/slurm/
    install -d -o slurmlens -g slurmlens /var/lib/slurmlens-hub /run/slurmlens-hub
    exec setpriv --reuid=slurmlens --regid=slurmlens --init-groups /opt/slurmlens/bin/slurmlens-hub --config /stack/secrets/hub.toml
    ;;
membership)
    munge_up
    cp /stack/etc/slurm.conf /etc/slurm/
    install -d -o slurm -g slurm /var/lib/slurmlens-membership
    exec setpriv --reuid=slurm --regid=slurm --init-groups /opt/slurmlens/bin/slurmlens membership --consul http://consul:8500 \
        --interval 1 --leave-after 5 --memory /var/lib/slurmlens-membership/members.json
    ;;
compute)
    munge_up
    demo_users
    cp /stack/etc/slurm.conf /stack/etc/cgroup.conf /etc/slurm/
    name=$(hostname)
    address=$(hostname -I | cut -d" " -f1)
    install -d -o root -g slurmlens -m 2770 /run/slurmlens/events /run/slurmlens/lost
    install -d -o slurmlens -g slurmlens /run/slurmlens-node /var/lib/slurmlens
    sed "s/NODE/$name/" /stack/etc/node.toml >/etc/slurmlens-node.toml
    keep_up setpriv --reuid=slurmlens --regid=slurmlens --init-groups /opt/slurmlens/bin/slurmlens-node --config /etc/slurmlens-node.toml &
    python3 /stack/etc/register.py keep "$name" "$address" &
    keeper=$!
    leave() { kill "$keeper" || true; python3 /stack/etc/register.py deregister "$name" "$address" || true; }
    # Until Slurm has it no more, which is when its jobs have ended.
    is_away() { left=$(sinfo -hNo %N) && ! echo "$left" | grep -qx "$name"; }
    trap 'leave; kill "$slurmd"; wait "$slurmd"' TERM INT
    trap 'leave; until is_away; do sleep 1; done; kill "$slurmd"; exit 0' USR1
    slurmd -D -Z -N "$name" --conf "$(cat /stack/etc/node-shape) Feature=compute State=DRAIN" &
    slurmd=$!
    wait "$slurmd"
    ;;
postgresql)
    bin=$(ls -d /usr/lib/postgresql/*/bin)
    data=/var/lib/postgresql/data
    [ -d "$data" ] || "$bin/initdb" --pgdata="$data" --username=slurmlens --auth=scram-sha-256 --pwfile=/stack/secrets/postgresql --locale=C --encoding=UTF8
    grep -q "^host all all all" "$data/pg_hba.conf" || echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    exec "$bin/postgres" -D "$data" --listen_addresses='*' --unix_socket_directories=/tmp
    ;;
opensearch)
    # It writes what it misses beside its settings.
    mkdir -p /var/lib/opensearch/conf
    cp /stack/etc/opensearch/opensearch.yml /var/lib/opensearch/conf/
    exec java -Xms512m -Xmx512m -cp "/opt/opensearch/classes:/opt/opensearch/lib/*" SearchNode -basePath /var/lib/opensearch/home \
        -confPath /var/lib/opensearch/conf -numOfNode 1 -baseHttpPort 9199 -clusterName stack
    ;;
neo4j)
    mkdir -p /var/lib/neo4j/home
    exec java -Xms128m -Xmx384m --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
        --add-opens=java.base/sun.nio.ch=ALL-UNNAMED -cp "/opt/neo4j/*" org.neo4j.server.CommunityEntryPoint \
        --home-dir=/var/lib/neo4j/home --config-dir=/stack/etc/neo4j
    ;;
logstash)
    exec lumber -listen=0.0.0.0:5044 -output=/var/lib/logstash/events.ndjson
    ;;
*)
    echo "entry.sh: no service $service" >&2
    exit 2
    ;;
esac
