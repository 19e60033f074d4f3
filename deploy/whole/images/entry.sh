#!/bin/sh
# entry.sh SERVICE: what a container of the stack runs. /stack is what `slurmlens stack compose` wrote, read-only: settings
# and secrets. Services that speak to Slurm run a munged of their own with the stack's key.
set -eu

munge_up() {
    install -d -o munge -g munge -m 700 /etc/munge /var/lib/munge /var/log/munge
    install -d -o munge -g munge -m 755 /run/munge
    install -o munge -g munge -m 400 /stack/secrets/munge.key /etc/munge/munge.key
    setpriv --reuid=munge --regid=munge --clear-groups munged
}

demo_users() {
    cat /stack/etc/passwd >>/etc/passwd
    cat /stack/etc/group >>/etc/group
}


case "$1" in
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
    install -o slurm -g slurm -m 600 /stack/etc/slurmdbd.conf /etc/slurm/slurmdbd.conf
    bash -c "until (exec 3<>/dev/tcp/mariadb/3306) 2>/dev/null; do sleep 0.5; done"
    exec setpriv --reuid=slurm --regid=slurm --init-groups slurmdbd -D
    ;;
slurmctld)
    munge_up
    demo_users
    cp /stack/etc/slurm.conf /stack/etc/cgroup.conf /etc/slurm/
    chown slurm:slurm /var/spool/slurmctld
    bash -c "until (exec 3<>/dev/tcp/slurmdbd/6819) 2>/dev/null; do sleep 0.5; done"
    sh /stack/etc/accounts.sh >/dev/null 2>&1 || true
    exec setpriv --reuid=slurm --regid=slurm --init-groups slurmctld -D -i
    ;;
carbon)
    export PYTHONPATH=/opt/graphite/lib:/stack/etc/graphite GRAPHITE_ROOT=/var/lib/graphite GRAPHITE_CONF_DIR=/stack/etc/graphite
    export GRAPHITE_STORAGE_DIR=/var/lib/graphite/storage GRAPHITE_SETTINGS_MODULE=render_settings
    mkdir -p /var/lib/graphite/storage/whisper /var/lib/graphite/storage/log/webapp
    python3 /opt/graphite/bin/carbon-cache.py --config=/stack/etc/graphite/carbon.conf --pidfile=/tmp/carbon.pid \
        --logdir=/var/lib/graphite/storage/log --nodaemon start &
    exec python3 -m waitress --listen=0.0.0.0:8888 --threads=2 graphite.wsgi:application
    ;;
hub)
    munge_up
    demo_users
    cp /stack/etc/slurm.conf /etc/slurm/
    install -d -o slurmlens -g slurmlens /var/lib/slurmlens-hub /run/slurmlens-hub
    exec setpriv --reuid=slurmlens --regid=slurmlens --init-groups /opt/slurmlens/bin/slurmlens-hub --config /stack/etc/hub.toml
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
    setpriv --reuid=slurmlens --regid=slurmlens --init-groups /opt/slurmlens/bin/slurmlens-node --config /etc/slurmlens-node.toml &
    python3 /stack/etc/register.py keep "$name" "$address" &
    keeper=$!
    trap 'kill "$keeper"; python3 /stack/etc/register.py deregister "$name" "$address"; kill "$slurmd"; wait "$slurmd"' TERM INT
    slurmd -D -Z -N "$name" --conf "$(cat /stack/etc/node-shape) Feature=compute State=DRAIN" &
    slurmd=$!
    wait "$slurmd"
    ;;
postgresql)
    bin=$(ls -d /usr/lib/postgresql/*/bin)
    data=/var/lib/postgresql/data
    [ -d "$data" ] || "$bin/initdb" --pgdata="$data" --username=slurmlens --auth=scram-sha-256 --pwfile=/stack/secrets/postgresql --locale=C --encoding=UTF8
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    exec "$bin/postgres" -D "$data" --listen_addresses='*' --unix_socket_directories=/tmp
    ;;
opensearch)
    exec java -Xms512m -Xmx512m -cp "/opt/opensearch/classes:/opt/opensearch/lib/*" SearchNode -basePath /var/lib/opensearch/home \
        -confPath /stack/etc/opensearch -numOfNode 1 -baseHttpPort 9199 -clusterName stack
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
    echo "entry.sh: no service $1" >&2
    exit 2
    ;;
esac
