FROM python:3.13-slim
WORKDIR /memorybench
COPY . .
RUN pip install --no-cache-dir -c requirements.lock -e '.[tuner,dashboard,postgres]' \
 && useradd --create-home bench && install -d -o bench /runs
USER bench
EXPOSE 6180
ENTRYPOINT ["python", "-m", "tuner"]
